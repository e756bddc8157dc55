"""Stored arrays to the parts of a scene: everything a file may hold wrongly is refused here, once for all formats."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from catenary_scenes.errors import SceneInvalid

MICROMETRE_LIMIT = 100.0
"""Values below are micrometres when a file names no unit: no optical sensor looks below 100 nm."""
_NANOMETRES_PER_UNIT = {
    "nanometers": 1.0,
    "nanometres": 1.0,
    "nanometer": 1.0,
    "nanometre": 1.0,
    "nm": 1.0,
    "micrometers": 1e3,
    "micrometres": 1e3,
    "micrometer": 1e3,
    "micrometre": 1e3,
    "microns": 1e3,
    "micron": 1e3,
    "um": 1e3,
    "millimeters": 1e6,
    "mm": 1e6,
    "angstroms": 0.1,
    "angstrom": 0.1,
}
_UNKNOWN_UNITS = frozenset({"", "unknown"})


def parse_cube(values: NDArray[Any], source: str) -> NDArray[np.float32]:
    """Check and convert a stored cube.

    Not-a-number and infinity are refused rather than kept: a single one turns the mean and covariance of the whole
    scene, and with them every score, into NaN far from its cause.

    Args:
        values: [rows, cols, bands], integers or floats.
        source: what to call it in messages.

    Returns:
        A C-contiguous float32 copy: changing it never reaches the stored array.

    Raises:
        SceneInvalid: not numeric, not three-dimensional, empty, not finite, or too large for float32.
    """
    require_real(values, source)
    if values.ndim != 3:  # noqa: PLR2004 - rows, cols, bands
        raise SceneInvalid(
            f"{source} has shape {values.shape}: a cube has three dimensions [rows, cols, bands]; reshape it"
        )
    if values.size == 0:
        raise SceneInvalid(f"{source} has shape {values.shape}: a cube needs at least one row, column and band")
    with np.errstate(over="ignore"):
        cube = np.array(values, dtype=np.float32, order="C")
    require_finite(cube, source)
    return cube


def parse_mask(values: NDArray[Any], shape: tuple[int, int], source: str) -> NDArray[np.int32]:
    """Check and convert stored ground truth.

    Args:
        values: [rows, cols] of booleans, integers or whole floats; axes of length 1 behind them are dropped.
        shape: rows and cols of the cube.
        source: what to call it in messages.

    Returns:
        [rows, cols], C-contiguous.

    Raises:
        SceneInvalid: another size than the cube, not whole numbers, or negative.
    """
    flat = values.reshape(values.shape[:2]) if values.ndim > 2 and set(values.shape[2:]) == {1} else values  # noqa: PLR2004 - rows, cols
    if flat.shape != shape:
        raise SceneInvalid(
            f"{source} has shape {values.shape}, its cube has {shape[0]} x {shape[1]} pixels: "
            "store one label for each pixel, or remove the mask"
        )
    if flat.dtype.kind != "b":
        require_real(flat, source)
    limit = float(np.iinfo(np.int32).max)
    if not bool(np.all((flat >= 0) & (flat <= limit))) or bool(np.any(flat != np.floor(flat))):
        raise SceneInvalid(
            f"{source} holds values that are not labels: store whole numbers, 0 = background, above 0 = anomaly"
        )
    return np.ascontiguousarray(flat, dtype=np.int32)


def parse_wavelengths(
    values: NDArray[Any] | None, bands: int, source: str, unit: str = ""
) -> tuple[NDArray[np.float32], bool]:
    """Check stored band centres and convert them to nanometres.

    Args:
        values: `bands` values in any shape, or None when the file has none.
        bands: number of bands of the cube.
        source: what to call it in messages.
        unit: as the file spells it; empty or "unknown": micrometres if all values are below 100, else nanometres.

    Returns:
        Band centres [bands] and whether they are nanometres (False: band indices).

    Raises:
        SceneInvalid: another count than bands, not positive and finite, or an unknown unit.
    """
    if values is None or unit.casefold() == "index":
        return np.arange(bands, dtype=np.float32), False
    require_real(values, source)
    centres = np.asarray(values, dtype=np.float64).ravel()
    if centres.size != bands:
        raise SceneInvalid(f"{source} names {centres.size} wavelengths for {bands} bands: store one for each band")
    if not bool(np.all(np.isfinite(centres) & (centres > 0))):
        raise SceneInvalid(f"{source} holds wavelengths that are not positive numbers: correct or remove them")
    return (centres * _nanometres_per_unit(centres, unit, source)).astype(np.float32), True


def require_real(values: NDArray[Any], source: str) -> None:
    """Refuse anything but integers and floats.

    Raises:
        SceneInvalid: booleans, complex numbers, text, or Python objects.
    """
    if values.dtype.kind not in "iuf":
        raise SceneInvalid(f"{source} holds {values.dtype} values: store integers or floating-point numbers")


def require_finite(values: NDArray[Any], source: str) -> None:
    """Refuse not-a-number and infinity.

    Raises:
        SceneInvalid: says how many there are and where the first one is.
    """
    finite = np.isfinite(values)
    if not finite.all():
        first = tuple(int(index) for index in np.argwhere(~finite)[0])
        raise SceneInvalid(
            f"{source} holds {int(finite.size - finite.sum())} values that are not finite, the first at {first}: "
            "interpolate them or cut the pixels or bands off, then store it again"
        )


def _nanometres_per_unit(centres: NDArray[np.float64], unit: str, source: str) -> float:
    spelled = unit.strip().casefold()
    if spelled in _UNKNOWN_UNITS:
        return 1e3 if bool(np.all(centres < MICROMETRE_LIMIT)) else 1.0
    if spelled not in _NANOMETRES_PER_UNIT:
        raise SceneInvalid(f"{source} gives wavelengths in {unit!r}: convert them to nanometers or micrometers")
    return _NANOMETRES_PER_UNIT[spelled]
