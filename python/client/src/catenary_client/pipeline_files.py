"""Pipelines kept on the server: found, described, drawn, sent and fetched. They need no session."""

from __future__ import annotations

import asyncio
import dataclasses
import hashlib
import math
from pathlib import Path
from typing import IO, TYPE_CHECKING

import grpc

from catenary.v1 import discovery_service_pb2 as discovery
from catenary.v1 import pipeline_requests_pb2 as pipeline
from catenary.v1 import pipeline_transfer_pb2 as transfer
from catenary.v1.discovery_service_pb2_grpc import DiscoveryServiceStub
from catenary.v1.pipeline_service_pb2_grpc import PipelineServiceStub
from catenary.v1.transfer_pb2 import FileChunk, TransferFile
from catenary_client.calls import identify, rpc_of
from catenary_client.config_content import content_of
from catenary_client.errors import error_for
from catenary_client.results import DownloadedPipeline, SavedPipeline
from catenary_wire.errors import Failure
from catenary_wire.reasons import Retry

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from os import PathLike

    from catenary.v1.pipeline_pb2 import PipelineInfo
    from catenary_client.calls import Caller
    from catenary_client.config_content import Config
    from catenary_client.errors import CatenaryError

WEIGHTS_SUFFIX = ".safetensors"
CHUNK_BYTES = 1024 * 1024


class PipelineFileCalls:
    """The part of a client that deals with saved pipelines. They belong to the caller and not to a session."""

    _channel: grpc.aio.Channel
    _caller: Caller
    _open_stream_channel: Callable[[], grpc.Channel]

    async def available_pipelines(self, tag: str = "") -> list[PipelineInfo]:
        """Pipelines that the server offers and the caller saved, by path; with a tag, those that carry it."""
        found: list[PipelineInfo] = []
        token = ""
        while True:
            page = await self._caller.unary(
                DiscoveryServiceStub(self._channel).ListAvailablePipelines,
                discovery.ListAvailablePipelinesRequest(filter_tag=tag or None, page_token=token),
            )
            found += page.pipelines
            token = page.next_page_token
            if not token:
                return found

    async def pipeline_info(self, path: str) -> PipelineInfo:
        """A saved pipeline with the text of its file.

        Raises:
            NotFoundError: there is none at this path.
        """
        response = await self._caller.unary(
            DiscoveryServiceStub(self._channel).GetPipelineInfo,
            discovery.GetPipelineInfoRequest(pipeline_path=path),
        )
        return response.pipeline_info

    async def training_capabilities(self) -> discovery.GetTrainingCapabilitiesResponse:
        """Optimizers, schedulers, callbacks and data formats that a training may use."""
        return await self._caller.unary(
            DiscoveryServiceStub(self._channel).GetTrainingCapabilities, discovery.GetTrainingCapabilitiesRequest()
        )

    async def draw_definition(self, definition: Config, drawing_format: str = "png") -> bytes:
        """Draw a pipeline that is only written down.

        Args:
            definition: YAML or JSON, or a resolved configuration.
            drawing_format: `png`, `svg`, `dot` or `mermaid`; the last three are text.

        Raises:
            ConfigError: it is no pipeline of the server's node types.
        """
        response = await self._caller.unary(
            PipelineServiceStub(self._channel).GetPipelineVisualization,
            pipeline.GetPipelineVisualizationRequest(
                config_content=content_of(definition).decode(), format=drawing_format
            ),
        )
        return response.image_data

    async def download_pipeline(
        self, path: str, folder: str | PathLike[str] = ".", *, definition_only: bool = False
    ) -> DownloadedPipeline:
        """Fetch a saved pipeline into a folder of this machine; files appear there once they are whole.

        Args:
            path: of the pipeline on the server; `.yaml` may be left out.
            folder: where to; made if it is missing. Files of the same names are replaced.
            definition_only: leave the weights where they are.

        Raises:
            NotFoundError: there is no such pipeline.
            DataLossError: a file arrived damaged.
            OSError: a file cannot be written.
        """
        request = transfer.DownloadPipelineRequest(pipeline_path=path, definition_only=definition_only)
        stream = self._caller.stream(PipelineServiceStub(self._channel).DownloadPipeline, request)
        places = await _received(stream, Path(folder))
        return DownloadedPipeline(places[0], places[1] if len(places) > 1 else None)

    async def upload_pipeline(
        self,
        definition: str | PathLike[str],
        path: str = "",
        *,
        weights: str | PathLike[str] | None = None,
        must_not_exist: bool = False,
    ) -> SavedPipeline:
        """Send a pipeline of this machine to the server, all or nothing.

        Args:
            definition: its YAML file.
            path: where it is kept on the server; empty means the name of the file.
            weights: its safetensors file; None means the one beside the definition, if there is one.
            must_not_exist: refuse to replace files.

        Raises:
            AlreadyExistsError: a file is there and must not be.
            ConfigError: the definition is no pipeline.
            InvalidRequestError: the weights are not safetensors.
            OSError: a file cannot be read.
        """
        place = Path(definition)
        beside = place.with_suffix(WEIGHTS_SUFFIX)
        chosen = Path(weights) if weights is not None else (beside if beside.is_file() else None)
        files = await asyncio.to_thread(_summed, [place] if chosen is None else [place, chosen])
        header = transfer.UploadPipelineHeader(
            pipeline_path=path or place.name,
            files=transfer.PipelineFiles(
                definition=files[0].declared, weights=files[1].declared if chosen is not None else None
            ),
            must_not_exist=must_not_exist,
        )
        identify(header)

        async def attempt(_remaining: float | None) -> transfer.UploadPipelineResponse:
            return await self._send(header, files)

        response = await self._caller.attempts(rpc_of(transfer.UploadPipelineRequest), attempt, within=math.inf)
        return SavedPipeline(response.pipeline_path, response.weights_path)

    async def _send(
        self, header: transfer.UploadPipelineHeader, files: list[_LocalFile]
    ) -> transfer.UploadPipelineResponse:
        """One stream, over a channel for threads: there the end of the call tells why the server ended it."""
        with self._open_stream_channel() as channel:
            upload = PipelineServiceStub(channel).UploadPipeline
            call = upload.future(_messages(header, files), metadata=self._caller.metadata)
            try:
                return await asyncio.to_thread(call.result)
            finally:
                call.cancel()  # type: ignore[no-untyped-call] # the stubs leave it out


@dataclasses.dataclass(frozen=True, slots=True)
class _LocalFile:
    place: Path
    declared: TransferFile


def _summed(places: list[Path]) -> list[_LocalFile]:
    """Read every file once for its length and SHA-256."""
    files = []
    for place in places:
        with place.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").digest()
            declared = TransferFile(path=place.name, size_bytes=file.tell(), sha256=digest)
        files.append(_LocalFile(place, declared))
    return files


def _messages(
    header: transfer.UploadPipelineHeader, files: list[_LocalFile]
) -> Iterator[transfer.UploadPipelineRequest]:
    """The messages of an upload, read from the disk as they are asked for."""
    yield transfer.UploadPipelineRequest(header=header)
    for index, file in enumerate(files):
        with file.place.open("rb") as content:
            offset = 0
            while piece := content.read(CHUNK_BYTES):
                yield transfer.UploadPipelineRequest(chunk=FileChunk(file_index=index, offset=offset, content=piece))
                offset += len(piece)


async def _received(stream: AsyncIterator[transfer.DownloadPipelineResponse], folder: Path) -> list[Path]:
    """Write the files of a download; those that are not whole are gone at the end."""
    arriving: list[_Arriving] = []
    try:
        async for part in stream:
            if part.WhichOneof("part") == "files":
                arriving = await asyncio.to_thread(_begin, folder, part.files)
            else:
                await asyncio.to_thread(arriving[part.chunk.file_index].take, part.chunk)
        # The weights first: where a definition is, its weights are.
        for file in reversed(arriving):
            await asyncio.to_thread(file.finish)
        return [file.place for file in arriving]
    finally:
        for file in arriving:
            file.discard()


def _begin(folder: Path, files: transfer.PipelineFiles) -> list[_Arriving]:
    declared = [files.definition, *([files.weights] if files.HasField("weights") else [])]
    return [_Arriving(folder, file) for file in declared]


class _Arriving:
    """A file that is being written beside its place."""

    def __init__(self, folder: Path, declared: TransferFile) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.place = folder / Path(declared.path).name
        self._part = self.place.with_name(f"{self.place.name}.part")
        self._declared = declared
        self._digest = hashlib.sha256()
        self._file: IO[bytes] = self._part.open("wb")

    def take(self, chunk: FileChunk) -> None:
        """Write a chunk."""
        if chunk.offset != self._file.tell():
            raise _damaged(self._declared.path)
        self._file.write(chunk.content)
        self._digest.update(chunk.content)

    def finish(self) -> None:
        """Give the file its name."""
        self._file.close()
        if self._digest.digest() != self._declared.sha256:
            raise _damaged(self._declared.path)
        self._part.replace(self.place)

    def discard(self) -> None:
        """Remove what has no name."""
        self._file.close()
        self._part.unlink(missing_ok=True)


def _damaged(name: str) -> CatenaryError:
    failure = Failure(
        reason="ARTIFACT_CORRUPT",
        code=grpc.StatusCode.DATA_LOSS,
        message=f"{name} arrived damaged; fetch it again",
        retry=Retry.NEVER,
    )
    return error_for(failure, rpc_of(transfer.DownloadPipelineRequest).path)
