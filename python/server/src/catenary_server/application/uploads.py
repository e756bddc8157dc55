"""One dataset on its way: takes the pieces of its files in order, from one stream at a time."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from catenary_server.domain.dataset import (
    HEAD_BYTES,
    MAX_CHUNK_BYTES,
    Dataset,
    DatasetState,
    check_head,
)
from catenary_server.domain.failure import Failure, Reason, Resource, Violation

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from catenary_server.domain.dataset import (
        Chunk,
        DatasetStore,
        DeclaredFile,
        GrowingFile,
        StoredDataset,
        UploadHeader,
    )


class Upload:
    """A dataset and how far it is.

    Args:
        store: keeps its files.
        dataset_id: made by the server.
        header: what was declared, paths in their plainest form.
        create_time: Unix seconds.
        clock: gives Unix seconds.
    """

    def __init__(
        self,
        *,
        store: DatasetStore,
        dataset_id: str,
        header: UploadHeader,
        create_time: float,
        clock: Callable[[], float],
    ) -> None:
        self.dataset_id = dataset_id
        self.header = header
        self.create_time = self.change_time = create_time
        self.ready_time: float | None = None
        self._store = store
        self._clock = clock
        self._whole = 0
        self._partial = 0
        self._growing: GrowingFile | None = None
        self._stream: asyncio.Task[None] | None = None

    @staticmethod
    def of(stored: StoredDataset, store: DatasetStore, clock: Callable[[], float]) -> Upload:
        """From what a store found."""
        upload = Upload(
            store=store,
            dataset_id=stored.dataset_id,
            header=stored.header,
            create_time=stored.create_time,
            clock=clock,
        )
        upload.ready_time, upload.change_time = stored.ready_time, stored.change_time
        upload._whole, upload._partial = stored.whole, stored.partial
        return upload

    @property
    def state(self) -> DatasetState:
        """How far it is."""
        return DatasetState.UPLOADING if self.ready_time is None else DatasetState.READY

    @property
    def arriving(self) -> bool:
        """Whether a stream brings it."""
        return self._stream is not None and not self._stream.done()

    def facts(self) -> Dataset:
        """The dataset as it is now."""
        partial = self._partial if self._growing is None else self._growing.size
        sizes = [file.size for file in self.header.files]
        behind = len(sizes) - self._whole - 1
        received = sizes if behind < 0 else [*sizes[: self._whole], partial, *[0] * behind]
        return Dataset(
            dataset_id=self.dataset_id,
            header=self.header,
            state=self.state,
            received=tuple(received),
            create_time=self.create_time,
            ready_time=self.ready_time,
        )

    async def flush(self) -> None:
        """Return when everything that has arrived is on the disk."""
        if self._growing is not None:
            await self._growing.flush()

    async def superseded_by(self, chunks: AsyncIterator[Chunk]) -> asyncio.Task[None]:
        """Begin to take chunks of a new stream, in place of the one before."""
        await self.interrupt()
        self._stream = asyncio.create_task(self._receive(chunks), name="upload of a dataset")
        return self._stream

    async def followed(self, stream: asyncio.Task[None]) -> None:
        """Wait until a stream has brought all there was to bring.

        Raises:
            Failure: STREAM_SUPERSEDED if another one, or the end of the dataset, came first; what the stream met.
        """
        try:
            await stream
        except asyncio.CancelledError:
            if self._stream is stream:  # the caller has gone
                raise
            raise Failure(
                Reason.STREAM_SUPERSEDED,
                "another stream goes on with this upload, or the dataset was deleted",
                resource=Resource("dataset", self.dataset_id),
            ) from None

    async def interrupt(self) -> None:
        """End the stream that brings it; what has arrived is kept when this returns."""
        stream, self._stream = self._stream, None
        if stream is not None and not stream.done():
            stream.cancel()
            await asyncio.wait({stream})

    async def _receive(self, chunks: AsyncIterator[Chunk]) -> None:
        while self._whole < len(self.header.files):
            await self._receive_file(self._whole, chunks)
        ready_time = self._clock()
        await self._store.publish(self.dataset_id, self.header, self.create_time, ready_time)
        self.ready_time = ready_time

    async def _receive_file(self, index: int, chunks: AsyncIterator[Chunk]) -> None:
        declared = self.header.files[index]
        file = self._growing = await self._store.open_file(self.dataset_id, index, declared.path)
        try:
            while file.size < declared.size:
                await self._take(file, index, await anext(chunks, None))
            await self._verify(file, index)
            await file.keep()
            self._whole += 1
            self._partial = 0
        except BaseException:
            self._partial = file.size
            raise
        finally:
            self._growing = None
            self.change_time = self._clock()
            await file.close()

    async def _take(self, file: GrowingFile, index: int, chunk: Chunk | None) -> None:
        """Keep one chunk."""
        declared, before = self.header.files[index], file.size
        if chunk is None:
            raise self._mismatch(file, index, f"the stream ended, {declared.size - before} bytes are missing")
        if not 1 <= len(chunk.content) <= MAX_CHUNK_BYTES:
            fault = Violation("chunk.content", f"must have 1 to {MAX_CHUNK_BYTES} bytes")
            raise Failure(Reason.FIELD_INVALID, f"{fault.subject} {fault.description}", violations=(fault,))
        if (chunk.file_index, chunk.offset) != (index, before):
            raise self._mismatch(file, index, f"a chunk begins at {chunk.offset} of file {chunk.file_index}")
        if before + len(chunk.content) > declared.size:
            raise self._mismatch(file, index, f"a chunk passes the end at {declared.size}")
        await file.append(chunk.content)
        if before < HEAD_BYTES <= file.size or file.size == declared.size <= HEAD_BYTES:
            await _check_head(file, declared)

    async def _verify(self, file: GrowingFile, index: int) -> None:
        """Refuse a file that is not the declared one; it begins again."""
        declared = self.header.files[index]
        if file.size == declared.size and file.sha256() == declared.sha256:
            return
        await file.clear()
        raise Failure(
            Reason.UPLOAD_CHECKSUM_MISMATCH,
            f"{declared.path!r} does not have the declared SHA-256; send it again from its beginning",
            resource=Resource("dataset", self.dataset_id),
            metadata=_place(index, 0),
        )

    def _mismatch(self, file: GrowingFile, index: int, fault: str) -> Failure:
        return Failure(
            Reason.UPLOAD_OFFSET_MISMATCH,
            f"{fault}; go on at byte {file.size} of file {index} ({self.header.files[index].path!r})",
            resource=Resource("dataset", self.dataset_id),
            metadata=_place(index, file.size),
        )


async def _check_head(file: GrowingFile, declared: DeclaredFile) -> None:
    try:
        check_head(declared.path, await file.head(HEAD_BYTES))
    except Failure:
        await file.clear()
        raise


def _place(file_index: int, next_offset: int) -> dict[str, str]:
    return {"file_index": str(file_index), "next_offset": str(next_offset)}
