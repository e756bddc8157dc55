"""Datasets of principals: uploaded in pieces, listed, deleted. What has arrived outlives streams and servers."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import secrets
import time
from typing import TYPE_CHECKING

from catenary_server.application.uploads import Upload
from catenary_server.domain.dataset import DatasetState, require_readable
from catenary_server.domain.failure import Failure, Reason, Resource

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Collection, Mapping

    from catenary_server.domain.dataset import Chunk, Dataset, DatasetStorage, DatasetStore, UploadHeader


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class DatasetLimits:
    """How much is kept, and how long; times in seconds."""

    unfinished: float = 24 * 3600.0
    """An upload that does not grow."""
    memory: float = 3600.0
    """The id of a deleted dataset."""
    quota: int | None = None
    """Bytes that the files of a principal may take together; None sets no bound. The storage keeps to it.

    One dataset may take all of it.
    """
    sweep_every: float = 600.0
    """How often what is over its time is looked for."""


class Datasets:
    """Use cases around datasets. Used on one event loop only.

    Args:
        storage: where the files are kept.
        readable: suffixes of files that a reader is known for, with their dot, in lower case.
        limits: how long.
        clock: gives Unix seconds.
    """

    def __init__(
        self,
        storage: DatasetStorage,
        readable: Collection[str],
        limits: DatasetLimits | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.limits = limits or DatasetLimits()
        self._storage = storage
        self._readable = frozenset(readable)
        self._clock = clock
        self._shelves: dict[str, _Shelf] = {}

    async def upload(self, principal: str, declared: UploadHeader, chunks: AsyncIterator[Chunk]) -> Dataset:
        """Begin an upload or go on with one, until the dataset is ready; a ready one needs no chunks.

        What has arrived stays when this ends early, for whatever reason.

        Raises:
            Failure: PATH_INVALID, IDEMPOTENCY_CONFLICT, QUOTA_DISK, DISK_FULL, STORAGE_IO, UPLOAD_OFFSET_MISMATCH,
                UPLOAD_CHECKSUM_MISMATCH, DATASET_INVALID, FIELD_INVALID for a chunk of no or too many bytes,
                STREAM_SUPERSEDED when another stream goes on with it, or it is deleted.
        """
        header = declared.normalized()
        require_readable(header.files, self._readable)
        shelf = await self._shelf(principal)
        async with shelf.admission:
            upload = shelf.named(header.request_id) or await self._begin(shelf, header)
            if upload.header != header:
                raise Failure(
                    Reason.IDEMPOTENCY_CONFLICT,
                    f"request id {header.request_id!r} was used for another dataset; use a new one",
                    resource=Resource("request", header.request_id),
                )
            if upload.ready_time is not None:
                return self._facts(upload)
            stream = await upload.superseded_by(chunks)
        await upload.followed(stream)
        return self._facts(upload)

    async def list(self, principal: str, labels: Mapping[str, str]) -> tuple[Dataset, ...]:
        """The principal's datasets with these labels, unfinished ones too."""
        shelf = await self._shelf(principal)
        found = (upload for upload in shelf.uploads.values() if labels.items() <= upload.header.labels.items())
        return tuple(self._facts(upload) for upload in found)

    async def find(self, principal: str, *, dataset_id: str = "", request_id: str = "") -> Dataset:
        """A dataset by its id, or by the request id of its upload; the bytes it reports are on the disk.

        Raises:
            Failure: DATASET_NOT_FOUND if it is unknown, deleted, expired or another principal's.
        """
        shelf = await self._shelf(principal)
        upload = shelf.uploads.get(dataset_id) if dataset_id else shelf.named(request_id)
        if upload is None:
            raise _not_found(dataset_id or request_id)
        await upload.flush()
        return self._facts(upload)

    async def delete(self, principal: str, dataset_id: str) -> None:
        """Delete a dataset with its files; whoever reads them already goes on. Deleting again succeeds for a while.

        Raises:
            Failure: DATASET_NOT_FOUND if the principal never had it, or had it long ago; STORAGE_IO.
        """
        shelf = await self._shelf(principal)
        async with shelf.admission:
            if dataset_id in shelf.deleted:
                return
            upload = shelf.uploads.get(dataset_id)
            if upload is None:
                raise _not_found(dataset_id)
            await self._remove(shelf, upload)

    async def expire_unfinished(self) -> None:
        """Remove what is over its time, for as long as the server lives."""
        while True:
            for shelf in tuple(self._shelves.values()):
                await self._expire(shelf)
            with contextlib.suppress(Failure):  # a disk that fails now is asked again later
                await self._storage.sweep_datasets(
                    unfinished_before=self._clock() - self.limits.unfinished,
                    deleted_before=self._clock() - self.limits.memory,
                )
            await asyncio.sleep(self.limits.sweep_every)

    async def _begin(self, shelf: _Shelf, header: UploadHeader) -> Upload:
        upload = Upload(
            store=shelf.store,
            dataset_id=secrets.token_hex(16),
            header=header,
            create_time=self._clock(),
            clock=self._clock,
        )
        # Known before it is written down: a caller that leaves meanwhile does not leave a second one behind.
        shelf.uploads[upload.dataset_id] = upload
        try:
            await shelf.store.create(upload.dataset_id, header, upload.create_time)
        except Failure:
            del shelf.uploads[upload.dataset_id]
            raise
        return upload

    async def _shelf(self, principal: str) -> _Shelf:
        """The principal's datasets, read from the disk at the first use."""
        shelf = self._shelves.get(principal)
        if shelf is None:
            shelf = self._shelves[principal] = _Shelf(self._storage.datasets(principal))
        async with shelf.admission:
            if not shelf.loaded:
                await self._load(shelf)
        await self._expire(shelf)
        return shelf

    async def _load(self, shelf: _Shelf) -> None:
        for stored in await shelf.store.load():
            shelf.uploads[stored.dataset_id] = Upload.of(stored, shelf.store, self._clock)
        shelf.deleted.update(await shelf.store.load_deleted())
        shelf.loaded = True

    async def _expire(self, shelf: _Shelf) -> None:
        horizon = self._clock() - self.limits.memory
        shelf.deleted = {dataset_id: end for dataset_id, end in shelf.deleted.items() if end > horizon}
        for upload in tuple(shelf.uploads.values()):
            expire_time = self._expire_time(upload)
            if expire_time is not None and expire_time <= self._clock():
                async with shelf.admission:
                    if upload.dataset_id in shelf.uploads and not upload.arriving:
                        with contextlib.suppress(Failure):  # it is not found either way, and removed later
                            await self._remove(shelf, upload)

    async def _remove(self, shelf: _Shelf, upload: Upload) -> None:
        del shelf.uploads[upload.dataset_id]
        await upload.interrupt()
        try:
            await shelf.store.delete(upload.dataset_id)
        except Failure:
            shelf.uploads[upload.dataset_id] = upload  # so that it can be asked for again
            raise
        shelf.deleted[upload.dataset_id] = self._clock()

    def _facts(self, upload: Upload) -> Dataset:
        return dataclasses.replace(upload.facts(), expire_time=self._expire_time(upload))

    def _expire_time(self, upload: Upload) -> float | None:
        if upload.state is DatasetState.READY:
            return None
        last = self._clock() if upload.arriving else upload.change_time
        return last + self.limits.unfinished


@dataclasses.dataclass(eq=False)
class _Shelf:
    """The datasets of one principal."""

    store: DatasetStore
    uploads: dict[str, Upload] = dataclasses.field(default_factory=dict)
    deleted: dict[str, float] = dataclasses.field(default_factory=dict)
    admission: asyncio.Lock = dataclasses.field(default_factory=asyncio.Lock)
    """Held while it is decided which dataset a call means, and while one comes or goes."""
    loaded: bool = False

    def named(self, request_id: str) -> Upload | None:
        """The dataset whose upload has this request id."""
        return next((each for each in self.uploads.values() if each.header.request_id == request_id), None)


def _not_found(name: str) -> Failure:
    return Failure(
        Reason.DATASET_NOT_FOUND,
        f"you have no dataset {name!r}; ListDatasets says which there are",
        resource=Resource("dataset", name),
    )
