"""Writes entries of all runs in one thread, makes them durable in another: the event loop never waits for the disk.

What is appended goes into a queue. The writing thread takes all that waits and writes in one go what
belongs to one log.
"""

from __future__ import annotations

import asyncio
import itertools
import operator
import queue
import threading
from typing import TYPE_CHECKING, Final, TypeAlias

from catenary_recordlog import FRAME_BYTES, Draft, GroupCommit, LogError, RecordLog
from catenary_server.domain.telemetry_message import Kind
from catenary_server.domain.telemetry_run import Entry
from catenary_server.storage.telemetry.faults import log_failure, log_faults

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from catenary_recordlog import RecordReader
    from catenary_server.domain.telemetry_store import LogObserver

_Item: TypeAlias = "tuple[JournalLog, Entry | None, bool]"

MOST_WAITING_BYTES: Final = 64 << 20
"""Bytes that may wait to be written before writers are made to wait."""


class Journal:
    """The two threads and the queue between the loop and them. Use it on one event loop."""

    def __init__(self, *, interval: float, segment_bytes: int) -> None:
        self.commit = GroupCommit(interval)
        self.segment_bytes = segment_bytes
        self._loop = asyncio.get_running_loop()
        self._waiting: queue.SimpleQueue[_Item | None] = queue.SimpleQueue()
        # Each side counts up alone, so that neither needs a lock.
        self._put_bytes = self._written_bytes = 0
        self._room = asyncio.Event()
        self._room.set()
        self._thread = threading.Thread(target=self._run, name="telemetry-journal", daemon=True)
        self._thread.start()

    def put(self, log: JournalLog, entry: Entry, *, hurry: bool) -> None:
        """Have an entry written."""
        self._put_bytes += _size(entry)
        if self._put_bytes - self._written_bytes > MOST_WAITING_BYTES:
            self._room.clear()  # before the entry goes into the queue: whoever writes it will see that
        self._waiting.put((log, entry, hurry))

    def finish(self, log: JournalLog) -> None:
        """Have a log closed behind all that waits."""
        self._waiting.put((log, None, True))

    async def room(self, seconds: float) -> bool:
        """See `TelemetryStore.room`."""
        if self._room.is_set():
            return True
        try:
            async with asyncio.timeout(seconds):
                await self._room.wait()
        except TimeoutError:
            return False
        return True

    async def close(self) -> None:
        """Write what waits and end both threads."""
        self._waiting.put(None)
        await asyncio.to_thread(self._thread.join)
        await asyncio.to_thread(self.commit.close)

    def tell(self, function: Callable[[], None]) -> None:
        """Call a function on the event loop, from any thread."""
        try:
            self._loop.call_soon_threadsafe(function)
        except RuntimeError:
            return  # the loop has ended: nobody is there to be told

    def _run(self) -> None:
        closed = False
        while not closed:
            items, closed = self._next()
            for log, group in itertools.groupby(items, key=operator.itemgetter(0)):
                self._write(log, list(group))
            self._written(sum(_size(entry) for _, entry, _ in items))

    def _write(self, log: JournalLog, items: list[_Item]) -> None:
        """Write what belongs to one log; an item without an entry ends it."""
        found = [entry for _, entry, _ in items if entry is not None]
        if found:
            log.write(found)
        if any(hurry for _, _, hurry in items):
            self.commit.hurry()
        if len(found) < len(items):
            log.release()

    def _next(self) -> tuple[list[_Item], bool]:
        """What waits, as soon as there is anything, and whether it is the last."""
        items = []
        item = self._waiting.get()
        while item is not None:
            items.append(item)
            try:
                item = self._waiting.get_nowait()
            except queue.Empty:
                return items, False
        return items, True

    def _written(self, size: int) -> None:
        self._written_bytes += size
        if not self._room.is_set() and self._put_bytes - self._written_bytes <= MOST_WAITING_BYTES // 2:
            self.tell(self._room.set)


class JournalLog:
    """A `RunLog` of a journal."""

    def __init__(self, journal: Journal, log: RecordLog, observer: LogObserver) -> None:
        self._journal = journal
        self._log = log
        self._observer = observer
        self._failed = False
        self.written = 0
        """See `RunLog.written`."""
        self._released = asyncio.Event()
        log.on_durable = lambda position: journal.tell(lambda: observer.on_durable(position))
        log.on_failure = lambda error: journal.tell(lambda: self._fail(error))

    @classmethod
    async def open(cls, journal: Journal, folder: Path, observer: LogObserver) -> JournalLog:
        """See `TelemetryStore.open`."""
        with log_faults():
            log = await asyncio.to_thread(
                RecordLog.open, folder, segment_bytes=journal.segment_bytes, commit=journal.commit
            )
        return cls(journal, log, observer)

    @property
    def size_bytes(self) -> int:
        """See `RunLog.size_bytes`."""
        return self._log.size_bytes

    def append(self, entry: Entry, *, hurry: bool = False) -> None:
        """See `RunLog.append`."""
        if not self._failed:
            self._journal.put(self, entry, hurry=hurry)

    async def read(self, after: int, *, most_bytes: int) -> Sequence[Entry]:
        """See `RunLog.read`."""
        return await asyncio.to_thread(take, self._log, after, most_bytes)

    async def close(self) -> None:
        """See `RunLog.close`."""
        self._journal.finish(self)
        await self._released.wait()

    async def shrink(self, *, most_bytes: int, not_before: float) -> int:
        """See `TelemetryStore.shrink`."""
        with log_faults():
            dropped = await asyncio.to_thread(
                self._log.retain, most_bytes=most_bytes, not_before_us=int(max(not_before, 0) * 1e6)
            )
        return dropped.size_bytes

    def write(self, entries: Sequence[Entry]) -> None:
        """Write entries, in the writing thread."""
        if self._failed:
            return
        try:
            self._log.append_all([Draft(e.position, e.kind, (e.payload,), e.time_us) for e in entries])
        except LogError as error:
            self._failed = True
            failure = log_failure(error)
            self._journal.tell(lambda: self._observer.on_failed(failure))
            return
        self.written = last = entries[-1].position
        if self._observer.is_followed:  # waking the loop for each entry costs more than writing it
            self._journal.tell(lambda: self._observer.on_written(last))

    def release(self) -> None:
        """Close the log, in the writing thread."""
        try:
            self._log.close()
        except LogError as error:
            failure = log_failure(error)
            self._journal.tell(lambda: self._observer.on_failed(failure))
        self._journal.tell(self._released.set)

    def _fail(self, error: LogError) -> None:
        if not self._failed:
            self._failed = True
            self._observer.on_failed(log_failure(error))


def take(log: RecordReader, after: int, most_bytes: int) -> list[Entry]:
    """The next entries after a position, about as many as these bytes hold."""
    found: list[Entry] = []
    size = 0
    with log_faults():
        for entry in entries(log, after):
            found.append(entry)
            size += _size(entry)
            if size >= most_bytes:
                break
    return found


def entries(log: RecordReader, after: int) -> Iterator[Entry]:
    """The entries of a log after a position."""
    for record in log.read(after):
        yield Entry(record.sequence, Kind(record.kind), record.time_us, record.payload)


def _size(entry: Entry | None) -> int:
    return 0 if entry is None else len(entry.payload) + FRAME_BYTES
