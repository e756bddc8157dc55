"""Inputs in pieces, as InferenceChunked takes and gives them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from catenary.v1.inference_pb2 import InputBatch, TensorChunk, TensorHeader
from catenary.v1.inference_requests_pb2 import (
    InferenceChunkedRequest,
    InferenceChunkedRequestHeader,
    InferenceChunkedResponse,
)
from catenary.v1.tensor_pb2 import Tensor
from catenary_conformance.tensors import size_bytes
from catenary_conformance.workload import NOT_TENSORS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

CHUNK_BYTES = 1 << 20
"""Least length of a chunk that is not the last one of its tensor."""


def tensors_of(batch: InputBatch) -> dict[str, Tensor]:
    """The tensors of an input batch by the names of their ports."""
    found: dict[str, Tensor] = {}
    for field, value in batch.ListFields():
        if field.name == "extra_inputs":
            found.update(batch.extra_inputs)
        elif field.name not in NOT_TENSORS:
            found[field.name] = value
    return found


def tensor_header(name: str, tensor: Tensor) -> TensorHeader:
    """What a tensor is, without its elements."""
    return TensorHeader(name=name, dtype=tensor.dtype, shape=tensor.shape, size_bytes=size_bytes(tensor))


def header(session_id: str, tensors: Mapping[str, Tensor]) -> InferenceChunkedRequest:
    """The first message of a request."""
    headers = [tensor_header(name, tensor) for name, tensor in tensors.items()]
    return InferenceChunkedRequest(header=InferenceChunkedRequestHeader(session_id=session_id, tensors=headers))


def chunk(index: int, offset: int, data: bytes) -> InferenceChunkedRequest:
    """A piece of a tensor as a message."""
    return InferenceChunkedRequest(chunk=TensorChunk(tensor_index=index, byte_offset=offset, data=data))


def chunks(tensors: Mapping[str, Tensor], *, length: int = CHUNK_BYTES) -> Iterator[InferenceChunkedRequest]:
    """The bytes of the tensors in order."""
    for index, tensor in enumerate(tensors.values()):
        for offset in range(0, len(tensor.raw_data), length):
            yield chunk(index, offset, tensor.raw_data[offset : offset + length])


def assembled(responses: Iterable[InferenceChunkedResponse]) -> dict[str, Tensor]:
    """The outputs that the responses carry.

    Raises:
        AssertionError: they are not of the form that the contract asks for.
    """
    first, *rest = responses
    assert first.WhichOneof("part") == "header", "the first response is no header"
    headers = first.header.tensors
    data = [bytearray() for _ in headers]
    current = 0
    for response in rest:
        assert response.WhichOneof("part") == "chunk", "a header came after the first response"
        piece = response.chunk
        assert piece.tensor_index >= current, "an output came after a later one"
        current = piece.tensor_index
        assert piece.byte_offset == len(data[current]), "there is a gap between two chunks"
        data[current] += piece.data
        last = len(data[current]) == headers[current].size_bytes
        assert 1 <= len(piece.data) <= 4 * CHUNK_BYTES, f"a chunk has {len(piece.data)} bytes"
        assert last or len(piece.data) >= CHUNK_BYTES, "a chunk that is not the last one has less than 1 MiB"
    for each, content in zip(headers, data, strict=True):
        assert len(content) == each.size_bytes, f"{each.name}: {len(content)} bytes, not {each.size_bytes}"
    return {
        each.name: Tensor(shape=each.shape, dtype=each.dtype, raw_data=bytes(content))
        for each, content in zip(headers, data, strict=True)
    }
