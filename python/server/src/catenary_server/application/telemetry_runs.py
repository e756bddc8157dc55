"""All runs: found by their owner, registered, changed by what their writers say and do, deleted."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from typing import TYPE_CHECKING, Final

from catenary_server.application.telemetry_ingest import not_registered
from catenary_server.application.telemetry_live import LiveRun
from catenary_server.domain.failure import Failure, Reason, Resource, Violation
from catenary_server.domain.telemetry import TrainingStatus, WriterState
from catenary_server.domain.telemetry_message import Kind, Refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from catenary_server.domain.telemetry import Command, TelemetryLimits
    from catenary_server.domain.telemetry_message import Message, MessageCodec
    from catenary_server.domain.telemetry_run import Entry, RunState
    from catenary_server.domain.telemetry_store import TelemetryStore

MOST_METRICS: Final = 10_000
"""Names of metrics of one run."""
FARTHEST_GAP: Final = 1 << 40
"""Sequences that one gap may skip."""


def key_words(run_id: str) -> str:
    """The part of a run's key by which operators recognise it; two runs may share it."""
    return "".join(letter if letter.isalnum() else "-" for letter in run_id[:40]).strip("-")


class TelemetryRuns:
    """All runs of this server. Used on one event loop only."""

    def __init__(
        self,
        *,
        store: TelemetryStore,
        codec: MessageCodec,
        limits: TelemetryLimits,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.store = store
        self.codec = codec
        self.limits = limits
        self._clock = clock
        self.unread: dict[str, Failure] = {}
        """Why runs are not here that are on the disk, by their keys."""
        self._runs: dict[str, LiveRun] = {}
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._expiries: dict[tuple[str, str], asyncio.TimerHandle] = {}

    def __iter__(self) -> Iterator[LiveRun]:
        return iter(tuple(self._runs.values()))

    def adopt(self, state: RunState) -> None:
        """Take in a run that an earlier server stored; nobody writes to it now."""
        if state.writer_state is WriterState.LIVE:
            state.writer_state = WriterState.CLOSED if state.ended else WriterState.SILENT
        run = self.add(state)
        for command in state.open_commands.values():
            self.expire_later(run, command)

    def add(self, state: RunState) -> LiveRun:
        """Take in a run that is about to be registered."""
        run = LiveRun(state, self.store, self._clock)
        self._runs[state.run_id] = run
        return run

    def named(self, run_id: str) -> LiveRun | None:
        """The run of that id, whoever owns it."""
        return self._runs.get(run_id)

    def refuse_unread(self, run_id: str) -> None:
        """Refuse an id that may be of a run which cannot be read now: it is neither new nor gone.

        Raises:
            Failure: DISK_FULL, STORAGE_IO.
        """
        words = key_words(run_id)
        for key, failure in self.unread.items():
            if key.rpartition(".")[0] == words:
                raise failure

    def registered_by(self, principal: str, request_id: str) -> LiveRun | None:
        """The run that a request of this principal registered."""
        if not request_id:
            return None
        own = (run for run in self._runs.values() if run.state.principal == principal)
        return next((run for run in own if request_id in run.state.requests), None)

    def find(self, principal: str, run_id: str) -> LiveRun:
        """The run of that id.

        Raises:
            Failure: RUN_NOT_FOUND if it is unknown, deleted or another principal's.
        """
        run = self._runs.get(run_id)
        if run is None or run.state.principal != principal or run.state.writer_epoch == 0:
            raise Failure(
                Reason.RUN_NOT_FOUND,
                f"there is no run {run_id!r}; ListRuns tells which there are",
                resource=Resource("run", run_id),
            )
        return run

    def select(
        self, principal: str, statuses: Sequence[TrainingStatus], tags: Mapping[str, str]
    ) -> tuple[LiveRun, ...]:
        """The principal's runs with one of these statuses, if any are given, and all of these tags."""
        return tuple(
            run
            for run in self._runs.values()
            if run.state.principal == principal
            and run.state.writer_epoch
            and (not statuses or run.state.status in statuses)
            and tags.items() <= run.state.tags.items()
        )

    async def writable(self, principal: str, run_id: str) -> LiveRun:
        """A run that its principal may write to now.

        Raises:
            Failure: RUN_NOT_REGISTERED, DISK_FULL, STORAGE_IO.
        """
        run = self._runs.get(run_id)
        if (
            run is None
            or run.state.principal != principal
            or run.state.writer_epoch == 0
            or run.state.writer_state is WriterState.CLOSED
        ):
            raise not_registered(run_id)
        async with run.change:
            await run.open()
        self.heard(run)
        return run

    def refusal(self, run: LiveRun, message: Message) -> Refusal | None:
        """Why a message that keeps all rules cannot be taken by this run at this time; None if it can."""
        state = run.state
        if message.status is not None and not state.status.may_become(message.status.status):
            text = f"a training that is {state.status} cannot become {message.status.status}"
            return Refusal(Reason.STATE_INVALID, text)
        if message.result is not None and message.result.command_id not in state.open_commands:
            return Refusal(Reason.COMMAND_INVALID, "no command with this id waits for a result")
        unknown = {scalar.metric_name for scalar in message.scalars} - state.metric_names
        if unknown and len(state.metric_names) + len(unknown) > MOST_METRICS:
            return Refusal(Reason.FIELD_INVALID, f"a run has at most {MOST_METRICS} metrics; use fewer names")
        if message.gap is not None and message.gap.last > state.received + FARTHEST_GAP:
            return Refusal(Reason.FIELD_INVALID, f"a gap reaches at most {FARTHEST_GAP} sequences ahead")
        return None

    def record(self, run: LiveRun, message: Message, raw: bytes) -> Entry:
        """Store a message, and note the end of the training behind it."""
        was_ended = run.state.ended
        entry = run.record(message.kind, raw, message)
        if message.result is not None:
            self._stop_expiry(run, message.result.command_id)
        if run.state.ended and not was_ended:
            run.record(Kind.ENDED, b"{}", hurry=True)
        return entry

    def obeyed(self, run: LiveRun, command: Command) -> None:
        """Note that a command was handed to a training that cannot tell results."""
        self._conclude(
            run, command.command_id, self.codec.applied(run.state.run_id, command.command_id, run.state.steps)
        )

    def expire_later(self, run: LiveRun, command: Command) -> None:
        """Refuse a command that has no result when its time is over."""
        delay = max(command.expire_time - time.time(), 0.0)
        key = (run.state.run_id, command.command_id)
        self._stop_expiry(run, command.command_id)
        self._expiries[key] = asyncio.get_running_loop().call_later(delay, self._expire, key)

    def heard(self, run: LiveRun) -> None:
        """A writer gave a sign of life."""
        run.heard()
        if run.state.writer_state is not WriterState.LIVE:
            self._writer_changed(run, WriterState.LIVE)
        self._watch_silence(run)

    def writer_left(self, run: LiveRun) -> None:
        """A stream ended. After a final status the writer has closed; else it may come back."""
        if run.state.ended and run.state.writer_state is WriterState.LIVE:
            self._writer_changed(run, WriterState.CLOSED)

    def silenced(self, run: LiveRun) -> None:
        """Nothing came for too long."""
        if run.state.writer_state is WriterState.LIVE:
            self._writer_changed(run, WriterState.CLOSED if run.state.ended else WriterState.SILENT)

    def is_live(self, run: LiveRun) -> bool:
        """Whether somebody writes to the run."""
        return run.state.writer_state is WriterState.LIVE and run.silent_for() < self.limits.silence

    async def delete(self, principal: str, run_id: str) -> int:
        """Remove a run and all it stored; return the bytes that are free again.

        Raises:
            Failure: RUN_NOT_FOUND, STATE_INVALID while somebody writes to it.
        """
        run = self.find(principal, run_id)
        async with run.change:
            if self.is_live(run):
                raise Failure(
                    Reason.STATE_INVALID,
                    f"somebody writes to run {run_id!r}; stop the training first",
                    violations=(Violation("writer_state", "is LIVE"),),
                )
            return await self.remove(run)

    async def remove(self, run: LiveRun) -> int:
        """Remove a run that nobody writes to; its viewers are told."""
        run_id = run.state.run_id
        self._runs.pop(run_id, None)
        for handle in (self._timers.pop(run_id, None), *(self._expiries.pop(key) for key in self._expiries_of(run_id))):
            if handle is not None:
                handle.cancel()
        await run.close()
        run.take_change()
        run.on_failed(Failure(Reason.STREAM_SUPERSEDED, f"run {run_id!r} was deleted"))
        return await self.store.delete(run.state.key)

    def drop(self, run: LiveRun) -> None:
        """Forget a run whose log broke, so that it is read again from the disk."""
        if self._runs.get(run.state.run_id) is run:
            del self._runs[run.state.run_id]

    def stop(self) -> None:
        """Stop every timer, for the end of the server."""
        for handle in (*self._timers.values(), *self._expiries.values()):
            handle.cancel()

    def _expiries_of(self, run_id: str) -> list[tuple[str, str]]:
        return [key for key in self._expiries if key[0] == run_id]

    def _writer_changed(self, run: LiveRun, writer_state: WriterState) -> None:
        if run.is_open:
            run.record(Kind.WRITER_CHANGED, json.dumps({"writer_state": writer_state}).encode())

    def _watch_silence(self, run: LiveRun) -> None:
        """Look again when the writer may have been silent for too long."""
        run_id = run.state.run_id
        if run_id not in self._timers:
            delay = max(self.limits.silence - run.silent_for(), 0.01)
            self._timers[run_id] = asyncio.get_running_loop().call_later(delay, self._look_for_silence, run_id)

    def _look_for_silence(self, run_id: str) -> None:
        del self._timers[run_id]
        run = self._runs.get(run_id)
        if run is None:
            return
        if run.silent_for() < self.limits.silence:
            self._watch_silence(run)
        else:
            self.silenced(run)

    def _expire(self, key: tuple[str, str]) -> None:
        self._expiries.pop(key, None)
        run_id, command_id = key
        run = self._runs.get(run_id)
        if run is not None:
            text = "the command had no effect before its expire_time"
            self._conclude(run, command_id, self.codec.refused(run_id, command_id, Reason.COMMAND_EXPIRED, text))

    def _conclude(self, run: LiveRun, command_id: str, raw: bytes) -> None:
        """Note the result of a command behind what goes on now; the log is opened for it if need be."""
        task = asyncio.create_task(self._record_result(run, command_id, raw))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _record_result(self, run: LiveRun, command_id: str, raw: bytes) -> None:
        async with run.change:
            if self._runs.get(run.state.run_id) is not run or command_id not in run.state.open_commands:
                return
            with contextlib.suppress(Failure):  # a disk that fails ends the run's streams, too
                await run.open()
                self.record(run, self.codec.read(raw), raw)

    def _stop_expiry(self, run: LiveRun, command_id: str) -> None:
        handle = self._expiries.pop((run.state.run_id, command_id), None)
        if handle is not None:
            handle.cancel()
