"""Ports that many nodes share: one shape convention for cubes, scores, decisions and targets."""

from __future__ import annotations

from catenary_server.domain.node import PortSpec
from catenary_server.domain.tensor import DType


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
