"""One run in memory: its state, the end of its log, its writer, and those who wait for something of it."""

from __future__ import annotations

import asyncio
import collections
import time
from typing import TYPE_CHECKING, Final, Protocol

from catenary_server.domain.failure import Failure, Reason
from catenary_server.domain.telemetry_message import Kind
from catenary_server.domain.telemetry_run import Entry
from catenary_server.domain.telemetry_store import CommandRow, IndexChange, ScalarRow

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from catenary_server.domain.telemetry import Command
    from catenary_server.domain.telemetry_message import Message
    from catenary_server.domain.telemetry_run import RunState
    from catenary_server.domain.telemetry_store import RunLog, TelemetryStore

RECENT_BYTES: Final = 4 << 20
"""Entries that are kept in memory for viewers that keep up."""
RECENT_ENTRIES: Final = 4096
KEPT_IMAGES: Final = 64
"""Images that are kept for batches that only name them."""


class RunWriter(Protocol):
    """Who writes to a run."""

    def durable(self, position: int) -> None:
        """Everything up to this position is safe."""
        ...

    def command(self, command: Command) -> None:
        """Obey a command."""
        ...

    def end(self, error: BaseException | None) -> None:
        """Stop writing."""
        ...


class LiveRun:
    """A run. Used on the event loop only.

    Attributes:
        state: what the log amounts to, with all that was appended, written or not.
        writer: the stream that writes to it now.
        change: held by whoever opens, closes, registers or deletes the run.
        durable: position up to which the log is safe.
        last_heard: when the last message came, by the monotonic clock.
    """

    def __init__(self, state: RunState, store: TelemetryStore, clock: Callable[[], float] = time.monotonic) -> None:
        self.state = state
        self.writer: RunWriter | None = None
        self.change = asyncio.Lock()
        self.durable = state.position
        self.last_heard = -1e9
        self.watchers: set[asyncio.Event] = set()
        self.results: dict[str, bytes] = {}
        self.failure: Failure | None = None
        self._store = store
        self._clock = clock
        self._log: RunLog | None = None
        self._recent: collections.deque[Entry] = collections.deque()
        self._recent_bytes = 0
        self._latest_batch: Entry | None = None
        self._written = state.position
        self._newest = dict(state.latest)
        self._unwritten: collections.deque[tuple[int, Kind]] = collections.deque()
        self._waiting = 0
        self._images: collections.OrderedDict[bytes, bytes] = collections.OrderedDict()
        self._pending_change: IndexChange | None = None
        self._moved = asyncio.Event()

    @property
    def is_open(self) -> bool:
        """True while entries can be appended."""
        return self._log is not None and self.failure is None

    @property
    def size_bytes(self) -> int:
        """Bytes of the log on the disk."""
        return self._log.size_bytes if self._log is not None else self._store.size_bytes(self.state.key)

    @property
    def is_followed(self) -> bool:
        """See `LogObserver.is_followed`."""
        return bool(self.watchers) or self._waiting > 0

    @property
    def written(self) -> int:
        """Position up to which the log is in a file, now: nobody was told of it unless somebody asked to be."""
        self._catch_up()
        return self._written

    @property
    def newest(self) -> dict[Kind, int]:
        """Position of the newest entry of each kind that is written."""
        self._catch_up()
        return self._newest

    async def open(self) -> None:
        """Open the log for writing.

        Raises:
            Failure: DISK_FULL, STORAGE_IO; the failure of a log that broke.
        """
        if self.failure is not None:
            raise self.failure
        if self._log is None:
            self._log = await self._store.open(self.state.key, self)

    async def close(self) -> None:
        """Make the log durable and release it."""
        if self._log is not None:
            log = self._log
            await log.close()
            self._catch_up()
            self._log = None
            self._recent.clear()
            self._recent_bytes = 0

    def heard(self) -> None:
        """A message came."""
        self.last_heard = self._clock()

    def silent_for(self) -> float:
        """Seconds since the last message."""
        return self._clock() - self.last_heard

    def record(self, kind: Kind, payload: bytes, message: Message | None = None, *, hurry: bool = False) -> Entry:
        """Append an entry and take it into the state."""
        if self._log is None or self.failure is not None:
            raise self.failure or Failure(Reason.RUN_NOT_REGISTERED, "the run is not open; register it again")
        entry = Entry(self.state.position + 1, kind, time.time_ns() // 1000, payload)
        scalars = self.state.apply(entry, message)
        self._log.append(entry, hurry=hurry)
        change = self._change()
        change.scalars += [
            ScalarRow(each.metric_name, each.step or 0, entry.position, item, each.time_ms, each.value)
            for item, each in enumerate(scalars)
        ]
        if message is not None and message.result is not None:
            result = message.result
            self.results[result.command_id] = result.encoded
            change.commands.append(CommandRow(result.command_id, None, result.encoded))
        elif kind is Kind.COMMAND:
            command = next(reversed(self.state.open_commands.values()))
            change.commands.append(CommandRow(command.command_id, command, None))
        self._remember(entry)
        return entry

    def on_written(self, position: int) -> None:
        """See `LogObserver.on_written`."""
        self._note_written(position)
        self._move()
        self.wake()

    def on_durable(self, position: int) -> None:
        """See `LogObserver.on_durable`."""
        self.durable = max(self.durable, position)
        self.on_written(position)
        if self.writer is not None:
            self.writer.durable(position)

    def on_failed(self, failure: Failure) -> None:
        """See `LogObserver.on_failed`."""
        self.failure = failure
        if self.writer is not None:
            self.writer.end(failure)
        self._move()
        self.wake()

    def wake(self) -> None:
        """Have every viewer look what is new."""
        for watcher in self.watchers:
            watcher.set()

    async def until_durable(self, position: int) -> None:
        """Wait until a position is safe.

        Raises:
            Failure: if the disk failed before.
        """
        await self.until(lambda: self.durable >= position)

    async def until_written(self, position: int) -> None:
        """Wait until a position is in a file; raises as `until_durable`."""
        await self.until(lambda: self.written >= position)

    async def read(self, after: int, *, most_bytes: int) -> Sequence[Entry]:
        """The next written entries after a position, from memory if they are there.

        Raises:
            Failure: STORAGE_IO, ARTIFACT_CORRUPT; why the run came to its end, if its log went away with it.
        """
        if self._recent and self._recent[0].position <= after + 1:
            return [entry for entry in self._recent if after < entry.position <= self.written]
        try:
            if self._log is not None:
                return await self._log.read(after, most_bytes=most_bytes)
            return await self._store.read(self.state.key, after, most_bytes=most_bytes)
        except Failure as failure:
            if self.failure is None:
                raise
            raise self.failure from failure

    async def latest(self, kind: Kind) -> Entry | None:
        """The last batch with images, epoch or performance data; None before the first, or if it was removed."""
        position = self.state.latest.get(kind)
        if position is None:
            return None
        if kind is Kind.IMAGE_BATCH and self._latest_batch is not None:
            return self._latest_batch
        await self.until(lambda: self.written >= position)
        found = await self.read(position - 1, most_bytes=1)
        return found[0] if found and found[0].position == position else None

    def remember_images(self, images: dict[bytes, bytes]) -> None:
        """Keep images that later batches may name by their hash."""
        for digest, image in images.items():
            self._images[digest] = image
            self._images.move_to_end(digest)
        while len(self._images) > KEPT_IMAGES:
            self._images.popitem(last=False)

    def image(self, digest: bytes) -> bytes | None:
        """An image that the run sent lately."""
        image = self._images.get(digest)
        if image is not None:
            self._images.move_to_end(digest)
        return image

    def take_change(self, size_bytes: int = 0) -> IndexChange | None:
        """What the index does not know yet; None if it knows all."""
        change, self._pending_change = self._pending_change, None
        if change is None and size_bytes:
            change = self._new_change()
        if change is not None:
            change.position, change.state, change.size_bytes = self.state.position, self.state.to_json(), size_bytes
        return change

    def give_back(self, change: IndexChange) -> None:
        """Take back what the index could not learn."""
        later = self._change()
        later.scalars[:0] = change.scalars
        later.commands[:0] = change.commands

    def touch(self) -> None:
        """Have the index learn the state, also without an entry."""
        self._change()

    async def until(self, reached: Callable[[], bool]) -> None:
        """Wait until something is so that changes with what is written.

        Raises:
            Failure: if the disk failed before.
        """
        self._waiting += 1  # before the first look: what is written from now on is told
        try:
            while not reached():
                if self.failure is not None:
                    raise self.failure
                await self._moved.wait()
        finally:
            self._waiting -= 1

    def _catch_up(self) -> None:
        if self._log is not None:
            self._note_written(self._log.written)

    def _note_written(self, position: int) -> None:
        self._written = max(self._written, position)
        while self._unwritten and self._unwritten[0][0] <= position:
            place, kind = self._unwritten.popleft()
            self._newest[kind] = place

    def _move(self) -> None:
        """Let everyone go who waits for a position; who is not there yet waits for the next move."""
        moved, self._moved = self._moved, asyncio.Event()
        moved.set()

    def _change(self) -> IndexChange:
        if self._pending_change is None:
            self._pending_change = self._new_change()
        return self._pending_change

    def _new_change(self) -> IndexChange:
        return IndexChange(self.state.key, self.state.position, 0, "")

    def _remember(self, entry: Entry) -> None:
        self._unwritten.append((entry.position, entry.kind))
        if entry.kind is Kind.IMAGE_BATCH:
            self._latest_batch = entry
        if not self.watchers:
            self._recent.clear()
            self._recent_bytes = 0
            return
        self._recent.append(entry)
        self._recent_bytes += len(entry.payload)
        while self._recent_bytes > RECENT_BYTES or len(self._recent) > RECENT_ENTRIES:
            self._recent_bytes -= len(self._recent.popleft().payload)
