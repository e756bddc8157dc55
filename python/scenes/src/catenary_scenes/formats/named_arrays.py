"""Scenes out of named arrays: what the array files (.npz, .npy, .mat) have in common."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from catenary_scenes.arrays import parse_cube, parse_mask, parse_wavelengths, require_real
from catenary_scenes.calibration import Calibration, to_reflectance
from catenary_scenes.errors import SceneInvalid
from catenary_scenes.measurements import Measurements, measurement_name
from catenary_scenes.scene import CUBE_RANK, ProcessingMode, Scene

CUBE_NAMES = ("cube", "data")
MASK_NAMES = ("mask", "map", "gt")
WAVELENGTH_NAMES = ("wavelengths", "wavelength")
WHITE_NAMES = ("white",)
DARK_NAMES = ("dark",)
FACTOR_NAMES = ("reflectance_scale_factor",)
KNOWN_NAMES = (*CUBE_NAMES, *MASK_NAMES, *WAVELENGTH_NAMES, *WHITE_NAMES, *DARK_NAMES, *FACTOR_NAMES)

NamedArrays = Mapping[str, NDArray[Any]]


def require_cube(names: Iterable[str], path: Path) -> None:
    """Refuse a file without a cube.

    Raises:
        SceneInvalid: none of `names` is a cube's; the message lists them.
    """
    present = sorted(names)
    if not set(CUBE_NAMES) & set(present):
        listed = ", ".join(present) or "nothing"
        raise SceneInvalid(f"{path.name} holds {listed}: name the cube [rows, cols, bands] 'cube' or 'data'")


def measurements_of(arrays: NamedArrays, path: Path, mode: ProcessingMode) -> Measurements:
    """The scenes in `arrays`; where several names mean the same, the first of the tuples above wins.

    Args:
        arrays: a cube [rows, cols, bands] or several [measurements, rows, cols, bands], and what else the names above
            allow. A mask, wavelengths and references without the leading axis hold for all measurements.
        path: the file they come from.
        mode: see ProcessingMode.

    Raises:
        SceneInvalid: an array does not fit; a cube's values are checked when its scene is read.
    """
    require_cube(arrays, path)
    cubes = _first(arrays, CUBE_NAMES)
    if cubes is None or cubes.ndim not in (CUBE_RANK, CUBE_RANK + 1) or cubes.size == 0:
        shape = () if cubes is None else cubes.shape
        raise SceneInvalid(
            f"the cube in {path.name} has shape {shape}: store [rows, cols, bands] or "
            "[measurements, rows, cols, bands], none of them zero"
        )
    stacked = cubes if cubes.ndim > CUBE_RANK else cubes[np.newaxis]
    calibration = Calibration(
        white=_first(arrays, WHITE_NAMES), dark=_first(arrays, DARK_NAMES), scale_factor=_scale_factor(arrays, path)
    )

    def load(index: int) -> Scene:
        source = f"the cube in {path.name}" if len(stacked) == 1 else f"cube {index} in {path.name}"
        cube = parse_cube(stacked[index], source)
        if mode is ProcessingMode.REFLECTANCE:
            cube = to_reflectance(cube, calibration, path.name)
        wavelengths, known = parse_wavelengths(
            _first(arrays, WAVELENGTH_NAMES), cube.shape[2], f"'wavelengths' in {path.name}"
        )
        mask = mask_at(_first(arrays, MASK_NAMES), index, len(stacked))
        return Scene(
            name=measurement_name(path.stem, index, len(stacked)),
            cube=cube,
            wavelengths=wavelengths,
            mask=None if mask is None else parse_mask(mask, cube.shape[:2], f"the mask in {path.name}"),
            has_wavelengths=known,
        )

    return Measurements(len(stacked), load)


def mask_of(arrays: NamedArrays, path: Path) -> NDArray[Any]:
    """The mask in a file of its own.

    Raises:
        SceneInvalid: no array of the file has a mask's name.
    """
    mask = _first(arrays, MASK_NAMES)
    if mask is None:
        raise SceneInvalid(f"{path.name} holds {', '.join(sorted(arrays)) or 'nothing'}: name the mask 'mask'")
    return mask


def mask_at(masks: NDArray[Any] | None, index: int, count: int) -> NDArray[Any] | None:
    """The mask of one measurement: `masks[index]` of [count, rows, cols], else `masks`, which holds for all."""
    if masks is None or masks.ndim != CUBE_RANK or len(masks) != count or masks.shape[2] == 1:
        return masks
    return np.asarray(masks[index])


def _scale_factor(arrays: NamedArrays, path: Path) -> float | None:
    stored = _first(arrays, FACTOR_NAMES)
    if stored is None:
        return None
    require_real(stored, f"'reflectance_scale_factor' in {path.name}")
    if stored.size != 1:
        raise SceneInvalid(f"'reflectance_scale_factor' in {path.name} has {stored.size} values: store one")
    return float(stored.reshape(()))


def _first(arrays: NamedArrays, names: tuple[str, ...]) -> NDArray[Any] | None:
    return next((arrays[name] for name in names if name in arrays), None)
