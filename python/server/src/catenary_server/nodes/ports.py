"""Ports that many nodes share: one shape convention for cubes, scores, decisions and targets."""

from __future__ import annotations

from typing import TYPE_CHECKING

from catenary_server.domain.node import PortSpec
from catenary_server.domain.tensor import DType

if TYPE_CHECKING:
    from torch import Tensor


def cube_port(name: str, description: str) -> PortSpec:
    """Spectra or features of pixels, float32 [B, H, W, C]."""
    return PortSpec(name=name, dtype=DType.FLOAT32, shape=(-1, -1, -1, -1), description=description)


def score_port(name: str, description: str) -> PortSpec:
    """One number for each pixel, float32 [B, H, W, 1]."""
    return PortSpec(name=name, dtype=DType.FLOAT32, shape=(-1, -1, -1, 1), description=description)


def decision_port(name: str, description: str) -> PortSpec:
    """One decision for each pixel, bool [B, H, W, 1]."""
    return PortSpec(name=name, dtype=DType.BOOL, shape=(-1, -1, -1, 1), description=description)


def mask_port(name: str, description: str, *, optional: bool = False) -> PortSpec:
    """Ground truth, int32 [B, H, W], 0 = background."""
    return PortSpec(name=name, dtype=DType.INT32, shape=(-1, -1, -1), optional=optional, description=description)


def wavelengths_port(description: str = "band centres in nanometres, [B, C]", *, optional: bool = False) -> PortSpec:
    """Band centres of each cube in nanometres, float32 [B, C]."""
    return PortSpec(name="wavelengths", dtype=DType.FLOAT32, shape=(-1, -1), optional=optional, description=description)


def vector_port(name: str, description: str) -> PortSpec:
    """A vector that all pixels share, float32 [D]."""
    return PortSpec(name=name, dtype=DType.FLOAT32, shape=(-1,), description=description)


def matrix_port(name: str, description: str, *, optional: bool = False) -> PortSpec:
    """A matrix, float32 [N, C]."""
    return PortSpec(name=name, dtype=DType.FLOAT32, shape=(-1, -1), optional=optional, description=description)


def scalar_port(name: str, description: str) -> PortSpec:
    """One number, float32 []."""
    return PortSpec(name=name, dtype=DType.FLOAT32, shape=(), description=description)


def boxes_port(description: str = "boxes around objects", *, optional: bool = True) -> PortSpec:
    """Boxes of a request, float64 [N, 6].

    Columns: image in the batch, left, upper, right and lower edge in pixels, number of the object or -1.
    """
    return PortSpec(name="bboxes", dtype=DType.FLOAT64, shape=(-1, 6), optional=optional, description=description)


def points_port(description: str = "points on or beside objects", *, optional: bool = True) -> PortSpec:
    """Points of a request, float64 [N, 4].

    Columns: image in the batch, distance from the left and the upper edge in pixels, `PointType` of the contract
    (1 = on the object, 2 = beside it, 0 and 3 = neither is said).
    """
    return PortSpec(name="points", dtype=DType.FLOAT64, shape=(-1, 4), optional=optional, description=description)


def text_port(description: str = "what to look for, in words", *, optional: bool = True) -> PortSpec:
    """The text prompt of a request, its UTF-8 bytes as uint8 [N]; `text_of` reads it."""
    return PortSpec(name="text_prompt", dtype=DType.UINT8, shape=(-1,), optional=optional, description=description)


def text_of(prompt: Tensor) -> str:
    """The words of a text prompt."""
    return bytes(prompt.cpu().numpy()).decode()
