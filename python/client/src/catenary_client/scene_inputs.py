"""Scenes as the inputs that a pipeline takes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from catenary_client.results import PortSpec


class SceneLike(Protocol):
    """A hyperspectral scene, as `catenary_scenes` reads it."""

    @property
    def cube(self) -> NDArray[Any]:
        """[rows, cols, bands]."""

    @property
    def wavelengths(self) -> NDArray[Any]:
        """[bands] in nanometres."""

    @property
    def has_wavelengths(self) -> bool:
        """Whether the wavelengths are known."""

    @property
    def mask(self) -> NDArray[Any] | None:
        """[rows, cols] ground truth, or None."""


def scene_inputs(scene: SceneLike, specs: Mapping[str, PortSpec]) -> dict[str, NDArray[Any]]:
    """Arrays for `infer`: the cube, the wavelengths where they are known and taken, ground truth only where required.

    Each has the element type of its port, and leading axes of length 1 up to the rank of its port.
    """
    offered: dict[str, NDArray[Any]] = {"cube": scene.cube}
    if scene.has_wavelengths:
        offered["wavelengths"] = scene.wavelengths
    if scene.mask is not None and "mask" in specs and specs["mask"].required:
        offered["mask"] = scene.mask
    return {name: _fitted(array, specs[name]) for name, array in offered.items() if name in specs}


def _fitted(array: NDArray[Any], spec: PortSpec) -> NDArray[Any]:
    missing = max(0, len(spec.shape) - array.ndim)
    return array.astype(np.dtype(spec.dtype), copy=False)[(np.newaxis,) * missing]
