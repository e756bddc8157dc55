"""The telemetry folder of a server: `runs/<key>/` with the logs, `index.sqlite`, `secret`, and a lock."""

from __future__ import annotations

import asyncio
import fcntl
import os
import re
import secrets
import shutil
import threading
from typing import TYPE_CHECKING, Final

from catenary_recordlog import SEGMENT_BYTES, RecordReader
from catenary_server.domain.failure import Failure, Reason
from catenary_server.domain.telemetry_store import IndexedRun
from catenary_server.storage.telemetry.faults import log_faults
from catenary_server.storage.telemetry.index import SqliteIndex
from catenary_server.storage.telemetry.journal import Journal, JournalLog, take

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from catenary_server.domain.telemetry_run import Entry
    from catenary_server.domain.telemetry_store import LogObserver

_RUNS: Final = "runs"
_SECRET_BYTES: Final = 32
_MOST_READERS: Final = 8
_KEY: Final = re.compile(r"[A-Za-z0-9._-]+")


class LocalTelemetryStore:
    """A `TelemetryStore` in a folder. Use it on one event loop.

    Args:
        root: the folder; made by `start`.
        commit_interval: seconds in which entries are gathered before they are made durable.
        segment_bytes: size of one file of a log; retention removes whole files.
    """

    def __init__(self, root: Path, *, commit_interval: float = 0.1, segment_bytes: int = SEGMENT_BYTES) -> None:
        self._root = root
        self._commit_interval = commit_interval
        self._segment_bytes = segment_bytes
        self._lock_fd = -1
        self._open: dict[str, JournalLog] = {}
        self._readers: dict[str, RecordReader] = {}
        self._readers_lock = threading.RLock()

    async def start(self) -> Sequence[IndexedRun]:
        """See `TelemetryStore.start`."""
        await asyncio.to_thread(self._prepare)
        self.index = SqliteIndex(self._root / "index.sqlite")
        self._journal = Journal(interval=self._commit_interval, segment_bytes=self._segment_bytes)
        indexed = {run.key: run for run in await self.index.runs()}
        there = {path.name for path in (self._root / _RUNS).iterdir() if path.is_dir()}
        for key in indexed.keys() - there:
            await self.index.remove(key)
        return [indexed.get(key, IndexedRun(key)) for key in sorted(there)]

    async def last_position(self, key: str) -> int:
        """See `TelemetryStore.last_position`."""
        with log_faults():
            return (await asyncio.to_thread(self._reader, key)).last_sequence

    async def open(self, key: str, observer: LogObserver) -> JournalLog:
        """See `TelemetryStore.open`."""
        self._forget(key)
        log = await JournalLog.open(self._journal, self._folder(key), observer)
        self._open[key] = log
        return log

    async def read(self, key: str, after: int, *, most_bytes: int) -> Sequence[Entry]:
        """See `TelemetryStore.read`."""
        return await asyncio.to_thread(self._read, key, after, most_bytes)

    async def delete(self, key: str) -> int:
        """See `TelemetryStore.delete`."""
        size = self.size_bytes(key)
        self._forget(key)
        await asyncio.to_thread(shutil.rmtree, self._folder(key))
        await self.index.remove(key)
        self._open.pop(key, None)
        return size

    def size_bytes(self, key: str) -> int:
        """See `TelemetryStore.size_bytes`."""
        return sum(path.stat().st_size for path in self._folder(key).glob("*.seg"))

    def free_bytes(self) -> int:
        """See `TelemetryStore.free_bytes`."""
        return shutil.disk_usage(self._root).free

    async def room(self, seconds: float) -> bool:
        """See `TelemetryStore.room`."""
        return await self._journal.room(seconds)

    async def shrink(self, key: str, *, most_bytes: int, not_before: float) -> int:
        """See `TelemetryStore.shrink`."""
        return await self._open[key].shrink(most_bytes=most_bytes, not_before=not_before)

    async def close(self) -> None:
        """See `TelemetryStore.close`."""
        await self._journal.close()
        self.index.close()
        os.close(self._lock_fd)

    def _prepare(self) -> None:
        (self._root / _RUNS).mkdir(parents=True, exist_ok=True)
        self._lock_fd = os.open(self._root / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._lock_fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(self._lock_fd)
            raise Failure(
                Reason.STATE_INVALID, "another server uses this telemetry folder; give each its own"
            ) from error
        path = self._root / "secret"
        if not path.exists() or path.stat().st_size != _SECRET_BYTES:
            path.touch(mode=0o600)
            path.write_bytes(secrets.token_bytes(_SECRET_BYTES))
        self.secret = path.read_bytes()

    def _read(self, key: str, after: int, most_bytes: int) -> list[Entry]:
        with log_faults():
            return take(self._reader(key), after, most_bytes)

    def _reader(self, key: str) -> RecordReader:
        """A reader of a closed log; the last ones are kept, as opening one reads its newest segment."""
        with self._readers_lock:
            reader = self._readers.pop(key, None) or RecordReader.open(self._folder(key))
            self._readers[key] = reader
            if len(self._readers) > _MOST_READERS:
                self._forget(next(iter(self._readers)))
            return reader

    def _forget(self, key: str) -> None:
        self._readers.pop(key, None)

    def _folder(self, key: str) -> Path:
        if not _KEY.fullmatch(key):
            message = f"{key!r} is no key of a run"
            raise ValueError(message)
        return self._root / _RUNS / key
