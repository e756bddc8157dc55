"""From stored counts to reflectance."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from catenary_scenes.arrays import require_finite, require_real
from catenary_scenes.errors import SceneInvalid


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Calibration:
    """What a file offers for the step to reflectance; references win over the factor."""

    white: NDArray[Any] | None = None
    """Counts of a white surface: [bands], [cols, bands] or [rows, cols, bands]; one line [1, cols, bands] as well."""
    dark: NDArray[Any] | None = None
    """Counts without light, in a shape like `white`; None = 0."""
    scale_factor: float | None = None
    """What counts are divided by to give reflectance from 0 to 1."""


def to_reflectance(cube: NDArray[Any], calibration: Calibration, source: str) -> NDArray[np.float32]:
    """Reflectance of a raw cube: (raw - dark) / (white - dark), or raw / scale factor.

    Args:
        cube: [rows, cols, bands], finite.
        calibration: of the file the cube comes from.
        source: what to call it in messages.

    Returns:
        [rows, cols, bands], C-contiguous.

    Raises:
        SceneInvalid: the file has neither references nor a factor, or they do not fit the cube.
    """
    if calibration.white is not None:
        return _by_references(cube, calibration.white, calibration.dark, source)
    if calibration.scale_factor is not None:
        factor = calibration.scale_factor
        if not (np.isfinite(factor) and factor > 0):
            raise SceneInvalid(f"{source} has the reflectance scale factor {factor}: store a positive number")
        return np.ascontiguousarray(cube / np.float64(factor), dtype=np.float32)
    raise SceneInvalid(
        f"{source} has neither a white reference nor a reflectance scale factor: "
        "add one of them to the file, or read it with processing mode Raw"
    )


def _by_references(
    cube: NDArray[Any], white: NDArray[Any], dark: NDArray[Any] | None, source: str
) -> NDArray[np.float32]:
    bright = _reference(white, cube.shape, f"the white reference of {source}")
    black = 0.0 if dark is None else _reference(dark, cube.shape, f"the dark reference of {source}")
    span = np.asarray(bright - black)
    if not bool(np.all(span > 0)):
        raise SceneInvalid(
            f"the white reference of {source} is not above the dark one in {int(np.sum(span <= 0))} of {span.size} "
            "places: record the references again, or read with processing mode Raw"
        )
    return np.ascontiguousarray((cube - black) / span, dtype=np.float32)


def _reference(values: NDArray[Any], shape: tuple[int, ...], source: str) -> NDArray[np.float64]:
    require_real(values, source)
    require_finite(values, source)
    fits = values.ndim <= len(shape) and all(
        own in (1, full) for own, full in zip(reversed(values.shape), reversed(shape), strict=False)
    )
    if not fits:
        raise SceneInvalid(
            f"{source} has shape {values.shape}, the cube {shape}: store [bands], [cols, bands] or [rows, cols, bands]"
        )
    return np.asarray(values, dtype=np.float64)
