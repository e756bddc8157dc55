"""Where runs are kept: a log for each, which is the truth, and an index over all, which the logs can rebuild."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from catenary_server.domain.failure import Failure
    from catenary_server.domain.telemetry import Command, Series
    from catenary_server.domain.telemetry_run import Entry


class LogObserver(Protocol):
    """Learns what becomes of what it appended, on the event loop."""

    @property
    def is_followed(self) -> bool:
        """Whether to call `on_written`; asked in any thread, after each time that `RunLog.written` rose."""
        ...

    def on_written(self, position: int) -> None:
        """Everything up to this position can be read, and outlives a crash of this process."""
        ...

    def on_durable(self, position: int) -> None:
        """Everything up to this position outlives a crash of the machine; may come before `on_written`."""
        ...

    def on_failed(self, failure: Failure) -> None:
        """The disk took no more; what was not written before is lost, and so is what is appended after."""
        ...


class RunLog(Protocol):
    """The log of one run, open for writing. Positions rise by one."""

    @property
    def written(self) -> int:
        """Everything up to this position can be read; 0 before the first entry since it was opened."""
        ...

    @property
    def size_bytes(self) -> int:
        """Bytes on the disk."""
        ...

    def append(self, entry: Entry, *, hurry: bool = False) -> None:
        """Write an entry soon; does not wait. `hurry` makes it durable soon, too."""
        ...

    async def read(self, after: int, *, most_bytes: int) -> Sequence[Entry]:
        """The next written entries after a position, about as many as these bytes hold; at least one if there is any.

        Raises:
            Failure: STORAGE_IO, ARTIFACT_CORRUPT.
        """
        ...

    async def close(self) -> None:
        """Write and make durable what waits, and release the files."""
        ...


@dataclasses.dataclass(frozen=True, slots=True)
class ScalarRow:
    """One value of a metric as the index keeps it; `item` tells values of one entry apart."""

    metric_name: str
    step: int
    position: int
    item: int
    time_ms: int
    value: float


@dataclasses.dataclass(frozen=True, slots=True)
class CommandRow:
    """A command, or its result when `command` is None."""

    command_id: str
    command: Command | None
    result: bytes | None


@dataclasses.dataclass(slots=True)
class IndexChange:
    """What became of a run since the last change: its state as JSON, and the rows that came up to `position`.

    `size_bytes` is the size of the closed log that ends there, or 0 while it is open.
    """

    key: str
    position: int
    size_bytes: int
    state: str
    scalars: list[ScalarRow] = dataclasses.field(default_factory=list)
    commands: list[CommandRow] = dataclasses.field(default_factory=list)


@dataclasses.dataclass(frozen=True, slots=True)
class IndexedRun:
    """A run in the index: its state as JSON, up to a position of its log, which had so many bytes if it was closed."""

    key: str
    position: int = 0
    size_bytes: int = 0
    state: str = ""


class RunIndex(Protocol):
    """Runs, scalars and commands in tables. Its methods raise Failure: STORAGE_IO, DISK_FULL."""

    async def runs(self) -> list[IndexedRun]:
        """Every run of the index."""
        ...

    async def write(self, changes: Sequence[IndexChange]) -> None:
        """Take changes in, all or none."""
        ...

    async def series(
        self, key: str, metric_names: Sequence[str], steps: tuple[int | None, int | None], most_points: int
    ) -> list[Series]:
        """Series of metrics between two steps, both included; neighbours are merged to have at most so many points."""
        ...

    async def command(self, key: str, command_id: str) -> CommandRow | None:
        """A command with its result so far."""
        ...

    async def remove(self, key: str) -> None:
        """Forget a run."""
        ...


class TelemetryStore(Protocol):
    """The telemetry folder of a server."""

    @property
    def index(self) -> RunIndex:
        """The index over all runs."""
        ...

    @property
    def secret(self) -> bytes:
        """Random bytes that stay the same as long as the folder does."""
        ...

    async def start(self) -> Sequence[IndexedRun]:
        """Open the folder; return every run that has a log, those that the index does not know with no state.

        Raises:
            Failure: STORAGE_IO, STATE_INVALID if another server uses the folder.
        """
        ...

    async def last_position(self, key: str) -> int:
        """The last whole entry of a log that is not open; 0 if there is none."""
        ...

    async def open(self, key: str, observer: LogObserver) -> RunLog:
        """Open the log of a run for writing, a new one under a new key.

        Raises:
            Failure: DISK_FULL, STORAGE_IO.
        """
        ...

    async def read(self, key: str, after: int, *, most_bytes: int) -> Sequence[Entry]:
        """The same as `RunLog.read`, of a log that is not open for writing."""
        ...

    async def delete(self, key: str) -> int:
        """Remove a log that is not open, and all the index has of it; return the bytes that are free again."""
        ...

    def size_bytes(self, key: str) -> int:
        """Bytes of a log on the disk."""
        ...

    def free_bytes(self) -> int:
        """Bytes left on the disk."""
        ...

    async def room(self, seconds: float) -> bool:
        """Wait until what was appended is mostly written; False if it is not after this time: the disk is too slow."""
        ...

    async def shrink(self, key: str, *, most_bytes: int, not_before: float) -> int:
        """Remove the oldest part of an open log; return the bytes that are free again.

        What is removed is too much for `most_bytes`, or all older than `not_before` (Unix seconds).
        """
        ...

    async def close(self) -> None:
        """Write what waits and release everything."""
        ...
