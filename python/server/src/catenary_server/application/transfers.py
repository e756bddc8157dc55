"""Saved pipelines sent to clients and taken from them, a piece at a time."""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import time
from typing import TYPE_CHECKING

from catenary_server.application.pipelines import (
    CONFIG_SUFFIX,
    WEIGHTS_SUFFIX,
    SavedPipeline,
    locate_with_suffix,
)
from catenary_server.domain.dataset import MAX_CHUNK_BYTES, Chunk, DeclaredFile
from catenary_server.domain.failure import Failure, Reason, Resource, Violation
from catenary_server.domain.graph import check_graph
from catenary_server.domain.transfer import DEFINITION, MAX_DEFINITION_BYTES, WEIGHTS, PipelineFiles
from catenary_server.domain.weights_file import PREFIX_BYTES, check_header, header_length

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Callable
    from pathlib import Path

    from catenary_server.domain.config_source import ConfigSource
    from catenary_server.domain.runtime import Catalog
    from catenary_server.domain.storage import FileArea, FileDraft, FileSnapshot, Storage
    from catenary_server.domain.transfer import PipelineUpload

CHUNK_BYTES = 2 * 1024 * 1024
"""What one message of a download carries."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class TransferLimits:
    """How large uploads may be, and what is remembered of them; sizes in bytes, times in seconds."""

    weights: int = 4 * 1024**3
    memory: float = 3600.0
    remembered: int = 10_000


@dataclasses.dataclass(frozen=True, slots=True)
class _Done:
    time: float
    upload: PipelineUpload
    saved: SavedPipeline


class Transfers:
    """Downloads and uploads of pipelines. Used on one event loop only.

    Args:
        storage: the files of the principals.
        configs: reads definitions.
        catalog: node types that a definition is checked against.
        limits: how large, how long.
        clock: gives monotonic seconds.
    """

    def __init__(
        self,
        *,
        storage: Storage,
        configs: ConfigSource,
        catalog: Catalog,
        limits: TransferLimits | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._storage = storage
        self._configs = configs
        self._catalog = catalog
        self._limits = limits or TransferLimits()
        self._clock = clock
        self._done: collections.OrderedDict[tuple[str, str], _Done] = collections.OrderedDict()

    async def download(
        self, principal: str, path: str, *, definition_only: bool = False
    ) -> AsyncGenerator[PipelineFiles | Chunk, None]:
        """What the files of a saved pipeline are, then their pieces in order, as they are now.

        Raises:
            Failure: ARTIFACT_NOT_FOUND, PATH_INVALID, PATH_NOT_ALLOWED, STORAGE_IO; ARTIFACT_CORRUPT for a file that
                is no pipeline, a trainrun for example, or is damaged.
        """
        area = self._storage.area(principal)
        definition = area.find(path, (CONFIG_SUFFIX,))
        if definition.suffix != CONFIG_SUFFIX:
            raise Failure(
                Reason.ARTIFACT_NOT_FOUND,
                f"{path!r} is no pipeline: name its {CONFIG_SUFFIX} file",
                resource=Resource("artifact", path),
            )
        places = [definition] if definition_only else [definition, definition.with_suffix(WEIGHTS_SUFFIX)]
        snapshot = await area.snapshot(places)
        try:
            files = await _declared(snapshot, area, places)
            # One byte more than is allowed shows that there is too much.
            content = await snapshot.read(DEFINITION, 0, min(files.definition.size, MAX_DEFINITION_BYTES + 1))
            self._require_pipeline(files.definition, content)
            yield files
            for index, file in enumerate(files.all):
                for offset in range(0, file.size, CHUNK_BYTES):
                    content = await snapshot.read(index, offset, min(CHUNK_BYTES, file.size - offset))
                    yield Chunk(index, offset, memoryview(content))
        finally:
            await snapshot.close()

    async def upload(self, principal: str, upload: PipelineUpload, chunks: AsyncIterator[Chunk]) -> SavedPipeline:
        """Take a pipeline and keep it, once all of it has arrived and is what it was declared to be.

        Raises:
            Failure: PATH_INVALID, PATH_NOT_ALLOWED, ARTIFACT_EXISTS, IDEMPOTENCY_CONFLICT, QUOTA_DISK, DISK_FULL,
                STORAGE_IO, UPLOAD_OFFSET_MISMATCH, UPLOAD_CHECKSUM_MISMATCH, CONFIG_INVALID and the forbidden
                constructs, GRAPH_INVALID, WEIGHTS_FORMAT_FORBIDDEN, WEIGHTS_CORRUPT; nothing changed then.
        """
        known = self._remembered(principal, upload)
        if known is not None:
            return known
        area = self._storage.area(principal)
        definition = locate_with_suffix(area, upload.path, CONFIG_SUFFIX)
        weights = definition.with_suffix(WEIGHTS_SUFFIX)
        self._require_room(upload.files)
        # The definition last: where it is, its weights are. Without weights, those of a former pipeline go.
        draft = await area.draft(
            [weights, definition], sum(file.size for file in upload.files.all), must_not_exist=upload.must_not_exist
        )
        async with contextlib.AsyncExitStack() as stack:
            stack.push_async_callback(draft.close)
            await self._receive(upload.files, draft, chunks)
            await draft.publish(must_not_exist=upload.must_not_exist)
        saved = SavedPipeline(
            pipeline_path=area.name(definition), weights_path=area.name(weights) if upload.files.weights else ""
        )
        self._remember(principal, upload, saved)
        return saved

    async def _receive(self, files: PipelineFiles, draft: FileDraft, chunks: AsyncIterator[Chunk]) -> None:
        await _receive_file(draft, _DRAFTED[DEFINITION], DEFINITION, files.definition, chunks)
        self._check_definition(await draft.read(_DRAFTED[DEFINITION], 0, files.definition.size))
        if files.weights is not None:
            await _receive_file(draft, _DRAFTED[WEIGHTS], WEIGHTS, files.weights, chunks)
            await _check_weights(draft, files.weights.size)
        if await anext(chunks, None) is not None:
            raise _mismatch(files.all[-1].path, files.all[-1].size, "a chunk follows the last one")

    def _require_pipeline(self, definition: DeclaredFile, content: bytes) -> None:
        try:
            self._configs.read_pipeline(content)
        except Failure as failure:
            raise Failure(
                Reason.ARTIFACT_CORRUPT,
                f"{definition.path!r} is no pipeline: {failure.message}",
                resource=Resource("artifact", definition.path),
            ) from failure

    def _check_definition(self, content: bytes) -> None:
        """A definition may name node types of plugins that only some sessions have."""
        config = self._configs.read_pipeline(content)
        try:
            check_graph(config, self._catalog.nodes)
        except Failure as failure:
            if failure.reason is not Reason.NODE_TYPE_UNKNOWN:
                raise

    def _require_room(self, files: PipelineFiles) -> None:
        if files.definition.size > MAX_DEFINITION_BYTES:
            fault = Violation("files.definition.size_bytes", f"is more than {MAX_DEFINITION_BYTES}")
            raise Failure(Reason.CONFIG_TOO_COMPLEX, f"{fault.subject} {fault.description}", violations=(fault,))
        if files.weights is not None and files.weights.size > self._limits.weights:
            fault = Violation("files.weights.size_bytes", f"is more than {self._limits.weights}")
            raise Failure(Reason.QUOTA_DISK, f"{fault.subject} {fault.description}", violations=(fault,))

    def _remembered(self, principal: str, upload: PipelineUpload) -> SavedPipeline | None:
        horizon = self._clock() - self._limits.memory
        while self._done and next(iter(self._done.values())).time < horizon:
            self._done.popitem(last=False)
        done = self._done.get((principal, upload.request_id)) if upload.request_id else None
        if done is None:
            return None
        if done.upload != upload:
            raise Failure(
                Reason.IDEMPOTENCY_CONFLICT,
                f"request id {upload.request_id!r} was used with another upload; use a new one",
                resource=Resource("request", upload.request_id),
            )
        return done.saved

    def _remember(self, principal: str, upload: PipelineUpload, saved: SavedPipeline) -> None:
        if upload.request_id:
            self._done[principal, upload.request_id] = _Done(self._clock(), upload, saved)
        while len(self._done) > self._limits.remembered:
            self._done.popitem(last=False)


_DRAFTED = {WEIGHTS: 0, DEFINITION: 1}
"""Indexes in the draft, in which the definition comes last."""


async def _declared(snapshot: FileSnapshot, area: FileArea, places: list[Path]) -> PipelineFiles:
    files = [
        DeclaredFile(area.name(place), size, await snapshot.sha256(index))
        for index, (place, size) in enumerate(zip(places, snapshot.sizes, strict=True))
        if size is not None
    ]
    if snapshot.sizes[DEFINITION] is None:
        name = area.name(places[DEFINITION])
        raise Failure(Reason.ARTIFACT_NOT_FOUND, f"{name!r} was removed", resource=Resource("artifact", name))
    return PipelineFiles(*files)


async def _receive_file(
    draft: FileDraft, drafted: int, index: int, declared: DeclaredFile, chunks: AsyncIterator[Chunk]
) -> None:
    """Keep the chunks of one file, up to its end.

    Raises:
        Failure: UPLOAD_OFFSET_MISMATCH, UPLOAD_CHECKSUM_MISMATCH, FIELD_INVALID for a chunk of no or too many bytes.
    """
    received = 0
    await draft.append(drafted, memoryview(b""))
    while received < declared.size:
        chunk = await anext(chunks, None)
        if chunk is None:
            raise _mismatch(declared.path, received, f"the stream ended, {declared.size - received} bytes are missing")
        if not 1 <= len(chunk.content) <= MAX_CHUNK_BYTES:
            fault = Violation("chunk.content", f"must have 1 to {MAX_CHUNK_BYTES} bytes")
            raise Failure(Reason.FIELD_INVALID, f"{fault.subject} {fault.description}", violations=(fault,))
        if (chunk.file_index, chunk.offset) != (index, received):
            raise _mismatch(declared.path, received, f"a chunk begins at {chunk.offset} of file {chunk.file_index}")
        if received + len(chunk.content) > declared.size:
            raise _mismatch(declared.path, received, f"a chunk passes the end at {declared.size}")
        await draft.append(drafted, chunk.content)
        received += len(chunk.content)
    if draft.sha256(drafted) != declared.sha256:
        raise Failure(
            Reason.UPLOAD_CHECKSUM_MISMATCH,
            f"{declared.path!r} does not have the declared SHA-256; send it again",
            resource=Resource("artifact", declared.path),
        )


async def _check_weights(draft: FileDraft, size: int) -> None:
    length = header_length(await draft.read(_DRAFTED[WEIGHTS], 0, PREFIX_BYTES), size)
    check_header(await draft.read(_DRAFTED[WEIGHTS], PREFIX_BYTES, length), size)


def _mismatch(path: str, offset: int, fault: str) -> Failure:
    return Failure(
        Reason.UPLOAD_OFFSET_MISMATCH,
        f"{fault} where byte {offset} of {path!r} was due; nothing was kept, begin again",
        resource=Resource("artifact", path),
        metadata={"next_offset": "0"},
    )
