"""Inferences of any size: inputs cut into pieces, outputs put together again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from catenary.v1 import inference_pb2
from catenary.v1.inference_requests_pb2 import InferenceChunkedRequest, InferenceChunkedResponse
from catenary_client.results import InferenceOutputs
from catenary_wire import tensors
from catenary_wire.payloads import Payloads, join, split

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from numpy.typing import NDArray

    from catenary.v1.inference_requests_pb2 import InferenceChunkedRequestHeader, InferenceChunkedResponseHeader

CHUNK_BYTES: Final = 1 << 20
"""Length of a piece, of the 1 to 4 MiB that the contract allows: it stays in the cache from copy to copy."""


def header_of(name: str, array: NDArray[Any]) -> inference_pb2.TensorHeader:
    """What announces an array."""
    return inference_pb2.TensorHeader(
        name=name, dtype=tensors.dtype_number(array.dtype), shape=array.shape, size_bytes=array.nbytes
    )


async def requests(header: InferenceChunkedRequestHeader, arrays: Mapping[str, NDArray[Any]]) -> AsyncIterator[bytes]:
    """The messages of a request; pieces are views of the arrays until each is written.

    Args:
        header: says what else there is; its tensors are filled in here.
        arrays: C-contiguous little-endian arrays by input name.
    """
    header.tensors.extend(header_of(name, array) for name, array in arrays.items())
    yield InferenceChunkedRequest(header=header).SerializeToString()
    for index, array in enumerate(arrays.values()):
        data = array.reshape(-1).view(np.uint8).data
        for offset in range(0, data.nbytes, CHUNK_BYTES):
            payloads = Payloads()
            ticket = payloads.hold(data[offset : offset + CHUNK_BYTES])
            chunk = inference_pb2.TensorChunk(tensor_index=index, byte_offset=offset, data=ticket)
            yield join(InferenceChunkedRequest(chunk=chunk), payloads)


class OutputAssembly:
    """Puts the outputs of an answer together, each in memory that is allocated once."""

    def __init__(self) -> None:
        self._header: InferenceChunkedResponseHeader | None = None
        self._memory: list[NDArray[np.uint8]] = []
        self._filled: list[int] = []

    def take(self, raw: bytes) -> None:
        """Take a message.

        Raises:
            ValueError: it does not follow those before it.
        """
        response, received = split(InferenceChunkedResponse, raw)
        part = response.WhichOneof("part")
        if part == "header" and self._header is None:
            self._header = response.header
            self._memory = [np.empty(each.size_bytes, np.uint8) for each in response.header.tensors]
            self._filled = [0] * len(self._memory)
            return
        if part != "chunk":
            raise ValueError("the server sent something else than a piece of an output out of turn")
        chunk = response.chunk
        data = received.view(chunk.data)
        index, end = chunk.tensor_index, chunk.byte_offset + data.nbytes
        fits = index < len(self._memory) and chunk.byte_offset == self._filled[index]
        if not fits or end > self._memory[index].nbytes:
            raise ValueError("the server sent a piece of an output out of turn")
        self._memory[index][chunk.byte_offset : end] = data
        self._filled[index] = end

    def outputs(self) -> InferenceOutputs:
        """The outputs, read-only.

        Raises:
            ValueError: something is missing, or an output is not as long as its shape says.
        """
        header = self._header
        if header is None or any(
            filled < memory.nbytes for filled, memory in zip(self._filled, self._memory, strict=True)
        ):
            raise ValueError("the server's answer ended before all outputs had come")
        arrays = {
            each.name: tensors.array_of(memory.data, each.dtype, each.shape)
            for each, memory in zip(header.tensors, self._memory, strict=True)
        }
        return InferenceOutputs(arrays, header.metrics)
