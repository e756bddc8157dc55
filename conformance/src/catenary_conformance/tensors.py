"""Tensors, arrays and files of them, made of nothing but numbers; the suite needs no array library."""

from __future__ import annotations

import array
import math
import random
import struct
import sys
from typing import TYPE_CHECKING

from catenary.v1.tensor_pb2 import (
    D_TYPE_BOOL,
    D_TYPE_FLOAT16,
    D_TYPE_FLOAT32,
    D_TYPE_FLOAT64,
    D_TYPE_INT32,
    D_TYPE_INT64,
    D_TYPE_UINT8,
    D_TYPE_UINT16,
    DType,
    Tensor,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

ELEMENT_SIZE: dict[int, int] = {
    D_TYPE_FLOAT32: 4,
    D_TYPE_FLOAT64: 8,
    D_TYPE_INT32: 4,
    D_TYPE_INT64: 8,
    D_TYPE_UINT8: 1,
    D_TYPE_BOOL: 1,
    D_TYPE_FLOAT16: 2,
    D_TYPE_UINT16: 2,
}
"""Bytes of one element, by its type."""

_NPY_MAGIC = b"\x93NUMPY\x01\x00"
_NPY_ALIGNMENT = 64


def size_bytes(tensor: Tensor) -> int:
    """Bytes that shape and element type of a tensor ask for."""
    return math.prod(tensor.shape) * ELEMENT_SIZE[tensor.dtype]


def noise(shape: Sequence[int], *, seed: int = 0) -> bytes:
    """Elements of a float32 array of this shape, drawn from [0.1, 1.1); the same seed gives the same bytes."""
    chance = random.Random(seed)  # noqa: S311 - test data
    values = array.array("f", [chance.random() + 0.1 for _ in range(math.prod(shape))])
    if sys.byteorder == "big":
        values.byteswap()
    return values.tobytes()


def float_tensor(shape: Sequence[int], *, seed: int = 0) -> Tensor:
    """A float32 tensor of noise."""
    return Tensor(shape=shape, dtype=D_TYPE_FLOAT32, raw_data=noise(shape, seed=seed))


def zeros(shape: Sequence[int], dtype: DType.ValueType) -> Tensor:
    """A tensor whose bytes are all zero."""
    return Tensor(shape=shape, dtype=dtype, raw_data=bytes(math.prod(shape) * ELEMENT_SIZE[dtype]))


def floats(tensor: Tensor) -> list[float]:
    """The elements of a float32 tensor."""
    return [value for (value,) in struct.iter_unpack("<f", tensor.raw_data)]


def npy_file(shape: Sequence[int], content: bytes) -> bytes:
    """A `.npy` file, version 1.0, of a float32 array in row-major order."""
    header = f"{{'descr': '<f4', 'fortran_order': False, 'shape': {tuple(shape)!r}, }}".encode()
    padding = -(len(_NPY_MAGIC) + 2 + len(header) + 1) % _NPY_ALIGNMENT
    header += b" " * padding + b"\n"
    return _NPY_MAGIC + struct.pack("<H", len(header)) + header + content
