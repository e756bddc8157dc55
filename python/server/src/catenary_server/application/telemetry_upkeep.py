"""Keeps the index up to the logs, the logs within their bounds, and reads at the start what an earlier server left."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import logging
import time
from typing import TYPE_CHECKING, Final

from catenary_server.application.telemetry_recovery import recovered
from catenary_server.domain.failure import Failure, Reason
from catenary_server.domain.telemetry import WriterState
from catenary_server.domain.telemetry_message import Kind
from catenary_server.domain.telemetry_store import IndexedRun

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from catenary_server.application.telemetry_live import LiveRun
    from catenary_server.application.telemetry_runs import TelemetryRuns
    from catenary_server.domain.telemetry import Series
    from catenary_server.domain.telemetry_store import CommandRow, IndexChange

log = logging.getLogger(__name__)

INDEX_SECONDS: Final = 0.5
"""How far the index may be behind."""
RETENTION_SECONDS: Final = 60.0
"""Time between two looks at the sizes of the logs."""
_PASSING: Final = frozenset({Reason.DISK_FULL, Reason.STORAGE_IO})
"""Why a run cannot be read now and may be later."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """What is kept. Runs that ended go first, oldest first; then the oldest parts of those that go on."""

    most_bytes: int = 50 << 30
    most_age: float = 30 * 24 * 3600.0


class Upkeep:
    """What has to be done to the runs from time to time."""

    def __init__(self, runs: TelemetryRuns, retention: Retention) -> None:
        self._runs = runs
        self._store = runs.store
        self._retention = retention
        self._indexing = asyncio.Lock()

    async def load(self, found: Sequence[IndexedRun]) -> None:
        """Take in the runs that an earlier server left; what the index lacks comes from the logs."""
        for indexed in found:
            await self._load(indexed)

    async def run(self) -> None:
        """Do what is to be done, for as long as the server lives."""
        looked = time.monotonic()
        while True:
            await asyncio.sleep(INDEX_SECONDS)
            await self.settle()
            if time.monotonic() - looked >= RETENTION_SECONDS:
                looked = time.monotonic()
                with _logged():
                    await self.retain()

    async def settle(self) -> None:
        """Index what is new, close logs that nobody writes, read broken ones again; what fails is tried again."""
        for key in tuple(self._runs.unread):
            with _logged():
                await self._load(await self._indexed(key))
        for run in self._runs:
            with _logged():
                if run.failure is not None:
                    await self._reload(run)
                else:
                    await self.index(run)
                    await self._close_unused(run)

    async def index(self, run: LiveRun) -> None:
        """Bring the index up to the run as it is now.

        Raises:
            Failure: STORAGE_IO, DISK_FULL.
        """
        async with self._indexing:
            await self._learn(run, run.take_change())

    async def series(
        self, run: LiveRun, metric_names: Sequence[str], steps: tuple[int | None, int | None], most_points: int
    ) -> list[Series]:
        """Series of metrics, up to what the run said last.

        Raises:
            Failure: STORAGE_IO.
        """
        await self.index(run)
        return await self._store.index.series(run.state.key, metric_names, steps, most_points)

    async def command(self, run: LiveRun, command_id: str) -> CommandRow | None:
        """A command of a run that was sent before."""
        await self.index(run)
        return await self._store.index.command(run.state.key, command_id)

    async def retain(self) -> None:
        """Remove what is too old or too much."""
        oldest = time.time() - self._retention.most_age
        sizes = {run: run.size_bytes for run in self._runs}
        excess = sum(sizes.values()) - self._retention.most_bytes
        for run in sorted(sizes, key=lambda run: run.state.update_time):
            if run.is_open or run.writer is not None:
                excess -= await self._shrink(run, sizes[run], excess, oldest)
            elif excess > 0 or run.state.update_time < oldest:
                async with run.change:
                    excess -= await self._runs.remove(run)

    async def close(self) -> None:
        """Close every log, for the end of the server."""
        self._runs.stop()
        for run in self._runs:
            async with run.change:
                with _logged():
                    await self._close(run)

    async def _shrink(self, run: LiveRun, size: int, excess: int, oldest: float) -> int:
        """Remove the beginning of a log that is being written, with a note of the state in front of what stays."""
        if excess <= 0 and run.state.create_time >= oldest:
            return 0
        entry = run.record(Kind.CHECKPOINT, run.state.to_json().encode(), hurry=True)
        await run.until_durable(entry.position)
        return await self._store.shrink(run.state.key, most_bytes=size - max(excess, 0), not_before=oldest)

    async def _close_unused(self, run: LiveRun) -> None:
        async with run.change:
            if run.is_open and run.writer is None and run.state.writer_state is not WriterState.LIVE:
                await self._close(run)

    async def _close(self, run: LiveRun) -> None:
        if not run.is_open:
            await self.index(run)
            return
        await run.close()
        if run.failure is None:
            async with self._indexing:
                await self._learn(run, run.take_change(size_bytes=run.size_bytes))

    async def _learn(self, run: LiveRun, change: IndexChange | None) -> None:
        """Have the index learn something, once it is in the log; what fails is tried again with the next change."""
        if change is None:
            return
        try:
            await run.until_written(change.position)
            await self._store.index.write([change])
        except Failure:
            run.give_back(change)
            raise

    async def _reload(self, run: LiveRun) -> None:
        """Read a run again whose log broke: what was not written is lost, and its writer sends it again."""
        async with run.change:
            indexed = await self._indexed(run.state.key)
            await run.close()
            self._runs.drop(run)
            await self._load(indexed)

    async def _load(self, indexed: IndexedRun) -> None:
        """Take in a run. While the disk has no room even for its index, it is kept in mind and tried again."""
        try:
            state = await recovered(self._store, self._runs.codec, indexed)
        except Failure as failure:
            known = indexed.key in self._runs.unread
            if failure.reason in _PASSING:
                self._runs.unread[indexed.key] = failure
            if not known:
                log.exception("run cannot be read", extra={"key": indexed.key})
            return
        self._runs.unread.pop(indexed.key, None)
        if state is not None:
            self._runs.adopt(state)

    async def _indexed(self, key: str) -> IndexedRun:
        found = await self._store.index.runs()
        return next((each for each in found if each.key == key), IndexedRun(key))


@contextlib.contextmanager
def _logged() -> Iterator[None]:
    """Go on with the other runs when the disk fails for one."""
    try:
        yield
    except Failure as failure:
        log.warning("telemetry cannot be stored: %s", failure.message)
