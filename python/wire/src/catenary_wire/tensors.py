"""Arrays as `catenary.v1.Tensor` and back: row-major, little-endian, without needless copies."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Protocol, cast, runtime_checkable

import numpy as np

from catenary.v1 import tensor_pb2

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from typing_extensions import Buffer

MAX_RANK = 8
"""The most dimensions that a tensor of the contract has."""

_DTYPES: dict[int, np.dtype[Any]] = {
    tensor_pb2.D_TYPE_FLOAT32: np.dtype("<f4"),
    tensor_pb2.D_TYPE_FLOAT64: np.dtype("<f8"),
    tensor_pb2.D_TYPE_INT32: np.dtype("<i4"),
    tensor_pb2.D_TYPE_INT64: np.dtype("<i8"),
    tensor_pb2.D_TYPE_UINT8: np.dtype("u1"),
    tensor_pb2.D_TYPE_BOOL: np.dtype("?"),
    tensor_pb2.D_TYPE_FLOAT16: np.dtype("<f2"),
    tensor_pb2.D_TYPE_UINT16: np.dtype("<u2"),
}
_NUMBERS = {dtype: number for number, dtype in _DTYPES.items()}


@runtime_checkable
class TorchLike(Protocol):
    """What a torch tensor offers on the way to numpy; torch itself is never imported."""

    def detach(self) -> TorchLike:
        """The same values outside of the gradient graph."""

    def cpu(self) -> TorchLike:
        """The same values in main memory."""

    def numpy(self) -> NDArray[Any]:
        """The same memory as a numpy array."""


ArrayLike = np.ndarray[Any, np.dtype[Any]] | np.generic | TorchLike
"""What can be sent: a numpy array or scalar, or a torch tensor."""


def numpy_dtype(number: int) -> np.dtype[Any]:
    """The little-endian numpy type of a `catenary.v1.DType` number.

    Raises:
        ValueError: the number is no element type of the contract, or UNSPECIFIED.
    """
    dtype = _DTYPES.get(number)
    if dtype is None:
        raise ValueError(f"{number} is no element type of the contract")
    return dtype


def dtype_number(dtype: np.dtype[Any]) -> tensor_pb2.DType.ValueType:
    """The `catenary.v1.DType` number of a numpy type of either byte order.

    Raises:
        TypeError: the contract has no such element type.
    """
    number = _NUMBERS.get(dtype.newbyteorder("<") if dtype.itemsize > 1 else dtype)
    if number is None:
        offered = ", ".join(sorted(known.name for known in _NUMBERS))
        raise TypeError(f"no tensor of element type {dtype} can be sent; convert it to one of {offered}")
    return cast("tensor_pb2.DType.ValueType", number)


def contiguous(array: ArrayLike) -> NDArray[Any]:
    """The elements as a C-contiguous little-endian numpy array; copies only what is neither yet.

    Raises:
        TypeError: the element type is none of the contract, or what was given is no array.
    """
    if not isinstance(array, np.ndarray | np.generic):
        array = _from_torch(array)
    values = np.asarray(array)
    wire_type = _DTYPES[dtype_number(values.dtype)]
    # reshape: ascontiguousarray makes a vector of a scalar.
    return np.ascontiguousarray(values, dtype=wire_type).reshape(values.shape)


def to_proto(array: ArrayLike) -> tensor_pb2.Tensor:
    """An array as a message that holds its elements.

    Args:
        array: numpy array or scalar, or torch tensor on any device, of any rank up to 8.

    Raises:
        TypeError: the element type is none of the contract.
        ValueError: more than 8 dimensions.
    """
    values = contiguous(array)
    check_rank(values.shape)
    return tensor_pb2.Tensor(shape=values.shape, dtype=dtype_number(values.dtype), raw_data=values.tobytes())


def to_numpy(tensor: tensor_pb2.Tensor) -> NDArray[Any]:
    """The elements of a message as a read-only array that shares the message's bytes.

    Raises:
        ValueError: no element type, a negative dimension, more than 8, or a payload that is not as long as they say;
            a payload in shared memory, which only its server can open.
    """
    if tensor.WhichOneof("payload") == "shm_ref":
        raise ValueError("the elements are in shared memory, not in the message")
    # Bound once: every access of a bytes field copies it.
    return array_of(tensor.raw_data, tensor.dtype, tensor.shape)


def array_of(data: Buffer, dtype: int, shape: Sequence[int]) -> NDArray[Any]:
    """Elements in memory as a read-only array of a `catenary.v1.DType` and a shape; copies nothing.

    Raises:
        ValueError: as `to_numpy`.
    """
    numpy_type = numpy_dtype(dtype)
    check_rank(shape)
    if any(axis < 0 for axis in shape):
        raise ValueError(f"shape {list(shape)} has a negative dimension")
    view = memoryview(data).cast("B").toreadonly()
    expected = math.prod(shape) * numpy_type.itemsize
    if view.nbytes != expected:
        raise ValueError(
            f"shape {list(shape)} of {numpy_type.name} needs {expected} bytes, the payload has {view.nbytes}"
        )
    if numpy_type.kind == "b" and np.any(np.frombuffer(view, np.uint8) > 1):
        raise ValueError("a bool is one byte, 0 or 1")
    return np.frombuffer(view, numpy_type).reshape(tuple(shape))


def check_rank(shape: Sequence[int]) -> None:
    """Refuse more than 8 dimensions.

    Raises:
        ValueError: more than 8 dimensions.
    """
    if len(shape) > MAX_RANK:
        raise ValueError(f"a tensor has at most {MAX_RANK} dimensions, not {len(shape)}")


def _from_torch(tensor: TorchLike) -> NDArray[Any]:
    if not isinstance(tensor, TorchLike):
        raise TypeError(f"a {type(tensor).__name__} is no array; send a numpy array or a torch tensor")
    return tensor.detach().cpu().numpy()
