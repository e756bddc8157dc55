"""Tensors as they cross a process border: element type, shape and bytes, without a framework."""

from __future__ import annotations

import dataclasses
import enum
import math
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from catenary_server.domain.failure import Failure, Reason, Violation

if TYPE_CHECKING:
    from numpy.typing import NDArray

MAX_RANK = 8
"""More axes than any node uses; a bound keeps the product of a hostile shape small."""


class DType(enum.StrEnum):
    """Element types of the contract, by their numpy names; all little-endian on the wire."""

    FLOAT32 = "float32"
    FLOAT64 = "float64"
    INT32 = "int32"
    INT64 = "int64"
    UINT8 = "uint8"
    BOOL = "bool"
    FLOAT16 = "float16"
    UINT16 = "uint16"

    @property
    def numpy(self) -> np.dtype[Any]:
        """The numpy type, little-endian."""
        return _NUMPY[self]


_NUMPY: dict[DType, np.dtype[Any]] = {dtype: np.dtype(dtype.value).newbyteorder("<") for dtype in DType}
_DTYPES = {numpy: dtype for dtype, numpy in _NUMPY.items()}


class TensorForm(Protocol):
    """What can be checked about a tensor before its elements are there."""

    @property
    def dtype(self) -> DType:
        """Type of one element."""
        ...

    @property
    def shape(self) -> tuple[int, ...]:
        """Size of each dimension."""
        ...

    @property
    def nbytes(self) -> int:
        """Length of the payload in bytes, as it is or as it is announced."""
        ...


@dataclasses.dataclass(frozen=True, slots=True)
class TensorHeader:
    """A tensor that is announced: its elements follow in pieces."""

    dtype: DType
    shape: tuple[int, ...]
    nbytes: int


@dataclasses.dataclass(frozen=True, slots=True)
class Tensor:
    """Row-major little-endian elements of one type and shape; `data` may be a view that its sender still owns."""

    dtype: DType
    shape: tuple[int, ...]
    data: bytes | bytearray | memoryview

    @property
    def nbytes(self) -> int:
        """Length of the payload in bytes."""
        return memoryview(self.data).nbytes

    def array(self) -> NDArray[Any]:
        """The elements as a numpy array that shares the payload's memory."""
        return np.frombuffer(self.data, dtype=self.dtype.numpy).reshape(self.shape)

    @staticmethod
    def of(array: NDArray[Any]) -> Tensor:
        """The tensor of an array; shares its memory if it is C-contiguous and little-endian, copies otherwise.

        Raises:
            Failure: TENSOR_DTYPE if the contract has no such element type.
        """
        dtype = _DTYPES.get(array.dtype.newbyteorder("<"))
        if dtype is None:
            raise Failure(Reason.TENSOR_DTYPE, f"no tensor of element type {array.dtype} can be sent")
        contiguous = np.ascontiguousarray(array, dtype=dtype.numpy)
        return Tensor(dtype, array.shape, contiguous.reshape(-1).view(np.uint8).data)


def check_tensor(name: str, tensor: Tensor) -> None:
    """Check the form of a tensor, and its elements where not every byte is one.

    Raises:
        Failure: as `check_form`, and FIELD_INVALID for bool bytes other than 0 and 1.
    """
    check_form(name, tensor)
    if tensor.dtype is DType.BOOL and tensor.nbytes and int(np.frombuffer(tensor.data, np.uint8).max()) > 1:
        raise _violated(Reason.FIELD_INVALID, name, "a bool is one byte, 0 or 1")


def check_form(name: str, tensor: TensorForm) -> None:
    """Check rank, shape and byte length with Python integers, before anything is allocated.

    Raises:
        Failure: TENSOR_SHAPE for a negative axis or too many axes, TENSOR_SIZE_MISMATCH if the payload is not as
            long as shape and element type say.
    """
    if len(tensor.shape) > MAX_RANK or any(axis < 0 for axis in tensor.shape):
        raise _violated(Reason.TENSOR_SHAPE, name, f"shape {list(tensor.shape)} has a negative axis or over {MAX_RANK}")
    expected = math.prod(tensor.shape) * tensor.dtype.numpy.itemsize
    if expected != tensor.nbytes:
        raise _violated(
            Reason.TENSOR_SIZE_MISMATCH,
            name,
            f"shape {list(tensor.shape)} of {tensor.dtype} needs {expected} bytes, the payload has {tensor.nbytes}",
        )


def check_against(name: str, tensor: TensorForm, dtype: DType, shape: tuple[int, ...]) -> None:
    """Check a tensor against a port: element type, rank and the axes the port fixes (-1 is free).

    A list, whose length alone is free, may be empty: there may be no boxes. An image without pixels is a mistake.

    Raises:
        Failure: TENSOR_DTYPE or TENSOR_SHAPE.
    """
    if tensor.dtype is not dtype:
        raise _violated(Reason.TENSOR_DTYPE, name, f"the port takes {dtype}, the tensor is {tensor.dtype}")
    fits = len(shape) == len(tensor.shape) and all(
        want in (-1, got) for want, got in zip(shape, tensor.shape, strict=True)
    )
    if not fits:
        raise _violated(
            Reason.TENSOR_SHAPE, name, f"the port takes shape {list(shape)}, the tensor has {list(tensor.shape)}"
        )
    if 0 in tensor.shape and shape.count(-1) > 1:
        raise _violated(Reason.TENSOR_SHAPE, name, f"shape {list(tensor.shape)} has an empty axis: send at least one")


def _violated(reason: Reason, name: str, description: str) -> Failure:
    return Failure(reason, f"input {name!r}: {description}", violations=(Violation(f"inputs.{name}", description),))
