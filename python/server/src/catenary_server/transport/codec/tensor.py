"""Tensors and what ports say about them. Elements stay where they are: payloads are views of the message."""

from __future__ import annotations

from typing import TYPE_CHECKING

from catenary.v1 import tensor_pb2
from catenary_server.domain.failure import Failure, Reason, Violation
from catenary_server.domain.shared_memory import SharedTensor
from catenary_server.domain.tensor import DType, Tensor
from catenary_wire import tensors

if TYPE_CHECKING:
    from catenary_server.application.shared_inputs import Input
    from catenary_server.domain.node import PortSpec
    from catenary_wire.payloads import Payloads

DTYPE_NUMBERS = {dtype: tensors.dtype_number(dtype.numpy) for dtype in DType}
"""Numbers of the element types on the wire."""

_DTYPES: dict[int, DType] = {number: dtype for dtype, number in DTYPE_NUMBERS.items()}


def decode_tensor(name: str, message: tensor_pb2.Tensor, payloads: Payloads, *, shared: bool = False) -> Input:
    """A tensor whose elements are a view of the request, or lie in shared memory. The application checks the rest.

    Args:
        name: of the input.
        message: the tensor.
        payloads: elements of the request.
        shared: whether the caller may name shared memory.

    Raises:
        Failure: TENSOR_DTYPE without an element type that the contract has, SHM_DISABLED.
    """
    if message.WhichOneof("payload") == "shm_ref":
        if not shared:
            raise Failure(Reason.SHM_DISABLED, f"input {name!r} is in shared memory; send its elements as raw_data")
        return SharedTensor(
            dtype=decode_dtype(name, message.dtype),
            shape=tuple(message.shape),
            segment=message.shm_ref.name,
            offset=message.shm_ref.byte_offset,
            nbytes=message.shm_ref.byte_size,
        )
    return Tensor(decode_dtype(name, message.dtype), tuple(message.shape), payloads.view(message.raw_data))


def decode_dtype(name: str, number: int) -> DType:
    """The element type of an input.

    Raises:
        Failure: TENSOR_DTYPE for none that the contract has.
    """
    dtype = _DTYPES.get(number)
    if dtype is None:
        fault = Violation(f"inputs.{name}.dtype", f"{number} is no element type")
        raise Failure(Reason.TENSOR_DTYPE, f"input {name!r}: {fault.description}", violations=(fault,))
    return dtype


def encode_tensor(tensor: Tensor, payloads: Payloads) -> tensor_pb2.Tensor:
    """A tensor whose elements stay where they are until the response is written."""
    return tensor_pb2.Tensor(shape=tensor.shape, dtype=DTYPE_NUMBERS[tensor.dtype], raw_data=payloads.hold(tensor.data))


def encode_tensor_spec(name: str, port: PortSpec) -> tensor_pb2.TensorSpec:
    """What a port of a pipeline takes or gives; `name` is `node.port` for an output."""
    return tensor_pb2.TensorSpec(
        name=name, shape=port.shape, dtype=DTYPE_NUMBERS[port.dtype], required=not port.optional
    )
