"""Pipelines that travel in pieces."""

from __future__ import annotations

from typing import TYPE_CHECKING

from catenary.v1 import pipeline_transfer_pb2, transfer_pb2
from catenary_server.domain.dataset import DeclaredFile
from catenary_server.domain.failure import Failure, Reason, Violation
from catenary_server.domain.transfer import PipelineFiles, PipelineUpload
from catenary_wire.payloads import Payloads, join

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from catenary_server.application.pipelines import SavedPipeline
    from catenary_server.domain.dataset import Chunk
    from catenary_server.transport.call import Part


async def decode_upload(parts: AsyncIterator[Part]) -> PipelineUpload:
    """What is going to be uploaded: the first message of the stream.

    Raises:
        Failure: FIELD_INVALID if it is no header, or there is none.
    """
    part = await anext(parts, None)
    if part is None or not part.message.HasField("header"):
        description = "the first message must have the header"
        raise Failure(Reason.FIELD_INVALID, description, violations=(Violation("part", description),))
    header: pipeline_transfer_pb2.UploadPipelineHeader = part.message.header
    return PipelineUpload(
        path=header.pipeline_path,
        files=PipelineFiles(
            _declared(header.files.definition),
            _declared(header.files.weights) if header.files.HasField("weights") else None,
        ),
        request_id=header.request_id,
        must_not_exist=header.must_not_exist,
    )


def encode_part(part: PipelineFiles | Chunk) -> bytes:
    """One message of a download; the bytes of a chunk are copied once."""
    if isinstance(part, PipelineFiles):
        files = pipeline_transfer_pb2.PipelineFiles(
            definition=_transfer_file(part.definition),
            weights=None if part.weights is None else _transfer_file(part.weights),
        )
        return pipeline_transfer_pb2.DownloadPipelineResponse(files=files).SerializeToString()
    payloads = Payloads()
    chunk = transfer_pb2.FileChunk(file_index=part.file_index, offset=part.offset, content=payloads.hold(part.content))
    return join(pipeline_transfer_pb2.DownloadPipelineResponse(chunk=chunk), payloads)


def encode_uploaded(saved: SavedPipeline) -> pipeline_transfer_pb2.UploadPipelineResponse:
    """Where an uploaded pipeline is kept."""
    return pipeline_transfer_pb2.UploadPipelineResponse(
        pipeline_path=saved.pipeline_path, weights_path=saved.weights_path
    )


def _declared(file: transfer_pb2.TransferFile) -> DeclaredFile:
    return DeclaredFile(file.path, file.size_bytes, file.sha256)


def _transfer_file(file: DeclaredFile) -> transfer_pb2.TransferFile:
    return transfer_pb2.TransferFile(path=file.path, size_bytes=file.size, sha256=file.sha256)
