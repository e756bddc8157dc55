"""False-colour pictures of a cube."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from catenary_scenes.errors import SceneInvalid
from catenary_scenes.scene import CUBE_RANK

RED_GREEN_BLUE_NM = (640.0, 550.0, 460.0)
STRETCH_PERCENTILES = (2.0, 98.0)


def false_colour(cube: NDArray[Any], wavelengths: NDArray[Any] | None = None) -> NDArray[np.uint8]:
    """Picture of a cube: three bands, each stretched between its 2nd and 98th percentile.

    Args:
        cube: [rows, cols, bands], real numbers.
        wavelengths: [bands] in nanometres; the bands nearest to 640, 550 and 460 nm become red, green and blue. Without
            wavelengths, or where two of the three would fall on one band (a sensor outside the visible), equally
            spaced bands do, the last one as red.

    Returns:
        [rows, cols, 3]; a band without contrast is mid-grey.

    Raises:
        SceneInvalid: the cube is empty or not three-dimensional, or the wavelengths do not fit it.
    """
    if cube.ndim != CUBE_RANK or cube.size == 0:
        raise SceneInvalid(f"a cube of shape {cube.shape} has no picture: pass [rows, cols, bands], none of them zero")
    picture = cube[:, :, _picture_bands(cube.shape[2], wavelengths)].astype(np.float64)
    low, high = np.percentile(picture, STRETCH_PERCENTILES, axis=(0, 1))
    span = high - low
    stretched = np.full_like(picture, 0.5)
    np.divide(picture - low, span, out=stretched, where=span > 0)
    return np.asarray(np.round(255.0 * np.clip(stretched, 0.0, 1.0)), dtype=np.uint8)


def _picture_bands(bands: int, wavelengths: NDArray[Any] | None) -> list[int]:
    """Indices of the bands shown as red, green and blue."""
    spaced = [round(share * (bands - 1)) for share in (5 / 6, 1 / 2, 1 / 6)]
    if wavelengths is None:
        return spaced
    centres = np.asarray(wavelengths, dtype=np.float64)
    if centres.shape != (bands,):
        raise SceneInvalid(f"wavelengths of shape {centres.shape} for {bands} bands: pass one for each band")
    nearest = [int(np.argmin(np.abs(centres - colour))) for colour in RED_GREEN_BLUE_NM]
    return nearest if len(set(nearest)) == len(nearest) else spaced
