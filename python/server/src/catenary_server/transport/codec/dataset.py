"""Datasets and the pieces they come in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from catenary.v1 import dataset_pb2, dataset_requests_pb2, transfer_pb2
from catenary_server.domain.dataset import Chunk, DatasetState, DeclaredFile, UploadHeader
from catenary_server.domain.failure import Failure, Reason, Violation
from catenary_server.transport.codec import times

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from catenary_server.domain.dataset import Dataset
    from catenary_server.transport.call import Part

_STATES = {state: dataset_pb2.DatasetState.Value(f"DATASET_STATE_{state}") for state in DatasetState}


async def decode_header(parts: AsyncIterator[Part]) -> UploadHeader:
    """What is going to be uploaded: the first message of the stream.

    Raises:
        Failure: FIELD_INVALID if it is no header, or there is none.
    """
    part = await anext(parts, None)
    if part is None or not part.message.HasField("header"):
        raise _misplaced("the first message must have the header")
    header: dataset_requests_pb2.UploadDatasetHeader = part.message.header
    return UploadHeader(
        request_id=header.request_id,
        name=header.name,
        files=tuple(DeclaredFile(file.path, file.size_bytes, file.sha256) for file in header.files),
        labels=dict(header.labels),
    )


async def decode_chunks(parts: AsyncIterator[Part]) -> AsyncIterator[Chunk]:
    """The rest of the stream.

    Raises:
        Failure: FIELD_INVALID for a second header.
    """
    async for part in parts:
        if not part.message.HasField("chunk"):
            raise _misplaced("only the first message has the header")
        chunk: transfer_pb2.FileChunk = part.message.chunk
        yield Chunk(chunk.file_index, chunk.offset, part.received.view(chunk.content))


def encode_dataset(dataset: Dataset, *, files: bool = True) -> dataset_pb2.Dataset:
    """A dataset; a list leaves its files out."""
    header = dataset.header
    encoded = dataset_pb2.Dataset(
        dataset_id=dataset.dataset_id,
        name=header.name,
        state=_STATES[dataset.state],
        path=dataset.path,
        size_bytes=header.size,
        create_time=times.timestamp(dataset.create_time),
        ready_time=None if dataset.ready_time is None else times.timestamp(dataset.ready_time),
        expire_time=None if dataset.expire_time is None else times.timestamp(dataset.expire_time),
        labels=header.labels,
        request_id=header.request_id,
    )
    if files:
        for file, received in zip(header.files, dataset.received, strict=True):
            declared = transfer_pb2.TransferFile(path=file.path, size_bytes=file.size, sha256=file.sha256)
            encoded.files.add(file=declared, received_size_bytes=received)
    return encoded


def _misplaced(description: str) -> Failure:
    return Failure(Reason.FIELD_INVALID, description, violations=(Violation("part", description),))
