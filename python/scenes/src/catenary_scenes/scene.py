"""The scene: one hyperspectral cube with its wavelengths and, where known, its ground truth."""

import enum
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from catenary_scenes.errors import SceneInvalid

CUBE_RANK = 3


class ProcessingMode(enum.StrEnum):
    """How stored counts become the cube; `ProcessingMode("raw")` ignores the case."""

    RAW = "Raw"
    """Values as stored."""
    REFLECTANCE = "Reflectance"
    """Values scaled by the file's white and dark references, or by its scale factor."""

    @classmethod
    def _missing_(cls, value: object) -> "ProcessingMode | None":
        folded = str(value).casefold()
        return next((mode for mode in cls if mode.value.casefold() == folded), None)


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """One hyperspectral scene.

    Raises:
        SceneInvalid: an array has another dtype, rank or size than stated below. Values are not looked at here; the
            readers refuse those that are not finite.
    """

    name: str
    """Short name for people: the stem of the file, or what generated it."""
    cube: NDArray[np.float32]
    """[rows, cols, bands], C-contiguous."""
    wavelengths: NDArray[np.float32]
    """[bands], band centres in nanometres; 0, 1, ... bands-1 when the source names none."""
    mask: NDArray[np.int32] | None
    """[rows, cols], 0 = background, > 0 = anomaly; None without ground truth."""
    has_wavelengths: bool
    """Whether `wavelengths` are nanometres rather than band indices."""

    def __post_init__(self) -> None:
        """Check the shape of things, so that readers of a scene need not."""
        _require_array("cube", self.cube, np.dtype(np.float32), CUBE_RANK)
        if 0 in self.cube.shape:
            raise SceneInvalid(f"cube of shape {self.cube.shape} is empty: give at least one row, column and band")
        if not self.cube.flags.c_contiguous:
            raise SceneInvalid("cube is not C-contiguous: pass numpy.ascontiguousarray(cube)")
        _require_array("wavelengths", self.wavelengths, np.dtype(np.float32), 1)
        if self.wavelengths.shape != self.cube.shape[2:]:
            raise SceneInvalid(
                f"{self.wavelengths.size} wavelengths for {self.bands} bands: give one wavelength for each band"
            )
        if self.mask is not None:
            _require_array("mask", self.mask, np.dtype(np.int32), 2)
            if self.mask.shape != self.cube.shape[:2]:
                raise SceneInvalid(
                    f"mask of shape {self.mask.shape} for a cube of {self.rows} x {self.cols} pixels: "
                    "give one label for each pixel"
                )

    @property
    def rows(self) -> int:
        """Number of pixel rows."""
        return int(self.cube.shape[0])

    @property
    def cols(self) -> int:
        """Number of pixel columns."""
        return int(self.cube.shape[1])

    @property
    def bands(self) -> int:
        """Number of spectral bands."""
        return int(self.cube.shape[2])


def _require_array(name: str, values: NDArray[Any], dtype: np.dtype[Any], rank: int) -> None:
    if values.dtype != dtype or values.ndim != rank:
        raise SceneInvalid(
            f"{name} is a {values.ndim}-dimensional array of {values.dtype}: convert it to {rank} dimensions of {dtype}"
        )
