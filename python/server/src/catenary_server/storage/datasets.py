"""The datasets of one principal on the local disk."""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import os
import shutil
import threading
from typing import TYPE_CHECKING

from catenary_server.domain.dataset import StoredDataset
from catenary_server.domain.threads import in_thread
from catenary_server.storage.atomic import write_files
from catenary_server.storage.confinement import Kind, Place, kind_of, open_folder, read_file
from catenary_server.storage.dataset_places import RECORDS_FOLDER, DatasetPlaces, Manifest
from catenary_server.storage.faults import as_failures
from catenary_server.storage.growing_file import LocalGrowingFile
from catenary_server.storage.quota import Room, used_bytes

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from catenary_server.domain.dataset import UploadHeader

log = logging.getLogger(__name__)


class LocalDatasets:
    """A `DatasetStore` in the area of a principal.

    Args:
        root: the area.
        quota: bytes that all files of the area may take; None sets no bound.
    """

    def __init__(self, root: Path, quota: int | None = None) -> None:
        self._root = root
        self._quota = quota
        self._commits = threading.Lock()

    async def load(self) -> tuple[StoredDataset, ...]:
        """See `DatasetStore.load`."""
        return await in_thread(lambda: tuple(self._stored()))

    async def load_deleted(self) -> Mapping[str, float]:
        """See `DatasetStore.load_deleted`."""
        return await in_thread(lambda: dict(self._deleted()))

    async def create(self, dataset_id: str, header: UploadHeader, create_time: float) -> None:
        """See `DatasetStore.create`."""
        await in_thread(self._create, dataset_id, Manifest(header, create_time))

    async def open_file(self, dataset_id: str, file_index: int, path: str) -> LocalGrowingFile:
        """See `DatasetStore.open_file`."""
        places = self._places(dataset_id)
        return await LocalGrowingFile.open(places.growing(file_index), places.whole(path))

    async def publish(self, dataset_id: str, header: UploadHeader, create_time: float, ready_time: float) -> None:
        """See `DatasetStore.publish`."""
        await in_thread(self._publish, dataset_id, Manifest(header, create_time, ready_time))

    async def delete(self, dataset_id: str) -> None:
        """See `DatasetStore.delete`."""
        await in_thread(self._delete, dataset_id)

    def sweep(self, *, unfinished_before: float, deleted_before: float) -> None:
        """Finish deletions that broke off, remove old unfinished uploads, and forget old deleted ids."""
        for dataset_id, time in self._deleted():
            places = self._places(dataset_id)
            self._remove_files(places)
            if time < deleted_before:
                shutil.rmtree(places.record.path, ignore_errors=True)
        for stored in self._stored():
            if stored.ready_time is None and stored.change_time < unfinished_before:
                log.info("an unfinished dataset has expired", extra={"dataset": stored.dataset_id[:8]})
                self._delete(stored.dataset_id)

    def _places(self, dataset_id: str) -> DatasetPlaces:
        return DatasetPlaces(self._root, dataset_id)

    def _records(self) -> Iterator[DatasetPlaces]:
        records = self._root / RECORDS_FOLDER
        names = os.listdir(records) if records.is_dir() else []  # noqa: PTH208 - names are what is wanted
        yield from (self._places(name) for name in sorted(names))

    def _deleted(self) -> Iterator[tuple[str, float]]:
        for places in self._records():
            with contextlib.suppress(FileNotFoundError):
                yield places.dataset_id, places.tombstone.path.lstat().st_mtime

    def _stored(self) -> Iterator[StoredDataset]:
        for places in self._records():
            if kind_of(places.tombstone) is Kind.MISSING and (manifest := _manifest(places)) is not None:
                yield _inspected(places, manifest)

    def _create(self, dataset_id: str, manifest: Manifest) -> None:
        places = self._places(dataset_id)
        if self._quota is not None:
            Room(self.reserved, self._quota).require(manifest.header.size)
        write_files({places.manifest: manifest.encode()}, replace=False, commits=self._commits)

    def reserved(self) -> int:
        """Bytes that the files of the principal take, those of unfinished datasets as if they were whole."""
        missing = 0
        for stored in self._stored():
            if stored.ready_time is None:
                kept = sum(file.size for file in stored.header.files[: stored.whole]) + stored.partial
                missing += stored.header.size - kept
        return used_bytes(self._root) + missing

    def _publish(self, dataset_id: str, manifest: Manifest) -> None:
        places = self._places(dataset_id)
        with as_failures(manifest.header.name):
            if kind_of(places.ready) is Kind.MISSING:  # else this is another attempt
                _move(places.unfinished, places.ready)
        write_files({places.manifest: manifest.encode()}, replace=True, commits=self._commits)

    def _delete(self, dataset_id: str) -> None:
        places = self._places(dataset_id)
        write_files({places.tombstone: b""}, replace=True, commits=self._commits)
        with as_failures(dataset_id):
            self._remove_files(places)

    @staticmethod
    def _remove_files(places: DatasetPlaces) -> None:
        """Remove everything but the tombstone; what is readable goes out of sight first."""
        for place in (places.ready, places.unfinished):
            if kind_of(place) is Kind.FOLDER:
                shutil.rmtree(places.removed.path, ignore_errors=True)
                _move(place, places.removed)
        for path in places.record.path.iterdir():
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            elif path != places.tombstone.path:
                path.unlink(missing_ok=True)


def _manifest(places: DatasetPlaces) -> Manifest | None:
    try:
        return Manifest.decode(read_file(places.manifest))
    except FileNotFoundError:  # it was being made when the server was killed
        return None
    except (OSError, ValueError, KeyError, TypeError):
        log.exception("the record of a dataset is damaged", extra={"dataset": places.dataset_id[:8]})
        return None


def _inspected(places: DatasetPlaces, manifest: Manifest) -> StoredDataset:
    files = manifest.header.files
    stored = StoredDataset(
        dataset_id=places.dataset_id,
        header=manifest.header,
        create_time=manifest.create_time,
        ready_time=manifest.ready_time,
        whole=len(files),
        partial=0,
        change_time=manifest.create_time,
    )
    ready = _status(places.ready)
    if ready is not None:
        # A server that was killed between the two steps of publishing left the time of the first one alone.
        return dataclasses.replace(stored, ready_time=manifest.ready_time or ready.st_ctime)
    kept = [_status(places.whole(file.path)) for file in files]
    whole = next((index for index, status in enumerate(kept) if status is None), len(files))
    growing = _status(places.growing(whole))
    last = growing if growing is not None else kept[whole - 1] if whole else None
    return dataclasses.replace(
        stored,
        ready_time=None,
        whole=whole,
        partial=0 if growing is None else growing.st_size,
        change_time=manifest.create_time if last is None else last.st_mtime,
    )


def _status(place: Place) -> os.stat_result | None:
    try:
        return place.path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return None


def _move(source: Place, target: Place) -> None:
    """Rename a folder; both its former and its new place are on the disk when this returns."""
    with (
        open_folder(source.root, source.parts[:-1]) as former,
        open_folder(target.root, target.parts[:-1], create=True) as new,
    ):
        os.rename(source.parts[-1], target.parts[-1], src_dir_fd=former, dst_dir_fd=new)
        os.fsync(new)
        os.fsync(former)
