"""Takes what trainings say: each message once, in order, acknowledged when it arrived and again when it is safe."""

from __future__ import annotations

import asyncio
import collections
import contextlib
from typing import TYPE_CHECKING, Final, NamedTuple

from catenary_server.application.telemetry_reply import (
    Acknowledged,
    BatchAcknowledged,
    Commanded,
    Credited,
    Faulted,
    Outbox,
    Rejected,
)
from catenary_server.domain.failure import Failure, Reason, Violation
from catenary_server.domain.telemetry_message import Kind, Refusal

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator

    from catenary_server.application.telemetry_live import LiveRun
    from catenary_server.application.telemetry_reply import Reply
    from catenary_server.application.telemetry_runs import TelemetryRuns
    from catenary_server.domain.telemetry import Command
    from catenary_server.domain.telemetry_message import Incoming, Message

ACKNOWLEDGE_SECONDS: Final = 0.002
"""How long the arrival of a message waits to be acknowledged together with that of the next one."""
STALL_SECONDS: Final = 10.0
"""How long a writer is held back while the disk is slower than it, before it is told so."""


class _Unsafe(NamedTuple):
    """Something to acknowledge once a position is safe: a sequence, or a batch of a writer that does not number."""

    position: int
    sequence: int | None
    batch_index: int | None


class Ingest:
    """The streams of all writers."""

    def __init__(self, runs: TelemetryRuns) -> None:
        self._runs = runs

    def end(self, failure: Failure) -> None:
        """End every stream."""
        for run in self._runs:
            if run.writer is not None:
                run.writer.end(failure)

    async def stream(self, principal: str, messages: AsyncIterator[Incoming]) -> AsyncGenerator[Reply, None]:
        """Take the messages of one stream, and tell what is to be told to it.

        Raises:
            Failure: RUN_NOT_REGISTERED, STALE_EPOCH, STREAM_SUPERSEDED, SEQ_GAP, BUFFER_FULL, HEARTBEAT_LOST,
                DISK_FULL, STORAGE_IO; what the messages raise.
        """
        writer = Writer(self._runs, principal)
        reading = asyncio.create_task(writer.read(messages))
        reading.add_done_callback(lambda task: None if task.cancelled() else writer.end(task.exception()))
        try:
            async with contextlib.aclosing(writer.outbox.replies()) as replies:
                async for reply in replies:
                    yield reply
        finally:
            reading.cancel()
            writer.close()


class Writer:
    """One stream of one writer."""

    def __init__(self, runs: TelemetryRuns, principal: str) -> None:
        self.outbox = Outbox()
        self._runs = runs
        self._limits = runs.limits
        self._principal = principal
        self._run: LiveRun | None = None
        self._numbers: bool | None = None
        """Whether the writer gives its messages sequences; heartbeats have none, so they leave it open."""
        self._unsafe: collections.deque[_Unsafe] = collections.deque()
        self._safe_sequence = 0
        self._room = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._together = max(self._limits.credit_images // 2, 1)
        self._unheard = 0
        self._acknowledging: asyncio.TimerHandle | None = None
        self._listening_since: float | None = None
        self._silence: asyncio.TimerHandle | None = None

    async def read(self, messages: AsyncIterator[Incoming]) -> None:
        """Take messages until there are no more and all are safe."""
        self._watch_silence(self._limits.silence)
        while (incoming := await self._next(messages)) is not None:
            if self.outbox.ended:
                return
            message = incoming.message
            unknown = self._numbers is None
            if unknown and message.kind is not Kind.HEARTBEAT:
                self._numbers = message.writer_epoch is not None
            run = self._run or await self._attach(message)
            if unknown and self._numbers is not None:
                self._recognized(run)
            self._runs.heard(run)
            await self._take(run, incoming)
        if self._run is not None:
            await self._run.until_durable(self._run.state.position)
            self.durable(self._run.durable)

    def durable(self, position: int) -> None:
        """Acknowledge what became safe."""
        run = self._run
        if run is None:
            return
        while self._unsafe and self._unsafe[0].position <= position:
            _, sequence, batch_index = self._unsafe.popleft()
            if sequence is not None:
                self._safe_sequence = max(self._safe_sequence, sequence)
            if batch_index is not None:
                self.outbox.put(BatchAcknowledged(run.state.run_id, batch_index))
        self._room.set()
        if self._numbers:
            self._acknowledge(run)

    def command(self, command: Command) -> None:
        """Hand a command to the training. One that cannot tell results is taken to obey when it is told."""
        run = self._run
        if run is None:
            return
        self.outbox.put(Commanded(run.state.run_id, command))
        if self._numbers is False:
            self._runs.obeyed(run, command)

    def end(self, error: BaseException | None) -> None:
        """End the stream; a writer that does not number is told why in its own words first."""
        if isinstance(error, Failure) and not self._numbers and not self.outbox.ended:
            run_id = self._run.state.run_id if self._run is not None else ""
            self.outbox.put(Faulted(run_id, error.reason, error.message))
        self.outbox.end(error)

    def close(self) -> None:
        """Leave the run, at the end of the stream."""
        for timer in (self._silence, self._acknowledging):
            if timer is not None:
                timer.cancel()
        if self._run is not None and self._run.writer is self:
            self._run.writer = None
            self._runs.writer_left(self._run)

    async def _next(self, messages: AsyncIterator[Incoming]) -> Incoming | None:
        self._listening_since = self._loop.time()
        try:
            return await anext(messages, None)
        finally:
            self._listening_since = None

    def _watch_silence(self, delay: float) -> None:
        """Look in a while whether the writer says something; one timer for many messages."""
        self._silence = self._loop.call_later(delay, self._look_for_silence)

    def _look_for_silence(self) -> None:
        """End the stream of a writer from which nothing came for too long."""
        limit = self._limits.silence
        silent = 0.0 if self._listening_since is None else self._loop.time() - self._listening_since
        if silent < limit:
            self._watch_silence(limit - silent)
            return
        if self._run is not None and self._run.writer is self:
            self._runs.silenced(self._run)
        text = f"nothing came for {limit:g} s; send heartbeats, and register again to go on"
        self.end(Failure(Reason.HEARTBEAT_LOST, text, retry_after=1.0))

    async def _attach(self, message: Message) -> LiveRun:
        """Become the writer of the run that the first message names."""
        run = await self._runs.writable(self._principal, message.run_id)
        self._check_epoch(run, message)
        if run.writer is not None:
            run.writer.end(superseded())
        run.writer, self._run = self, run
        self._safe_sequence = run.state.received if run.durable >= run.state.position else 0
        for command in run.state.open_commands.values():
            self.outbox.put(Commanded(run.state.run_id, command))
        return run

    def _recognized(self, run: LiveRun) -> None:
        """It is known now whether the writer numbers: give it credit, or take what it was told for obeyed."""
        if self._numbers:
            self.outbox.put(Credited(run.state.run_id, self._limits.credit_images, self._limits.credit_bytes))
            return
        for command in run.state.open_commands.values():
            self._runs.obeyed(run, command)

    def _check_epoch(self, run: LiveRun, message: Message) -> None:
        if message.writer_epoch is not None and message.writer_epoch != run.state.writer_epoch:
            raise Failure(
                Reason.STALE_EPOCH,
                f"epoch {message.writer_epoch} is not the run's newest; another writer took over",
                violations=(Violation("writer_epoch", f"is {message.writer_epoch}, not {run.state.writer_epoch}"),),
            )

    async def _take(self, run: LiveRun, incoming: Incoming) -> None:
        message = incoming.message
        if message.run_id != run.state.run_id:
            raise not_registered(message.run_id)
        self._check_epoch(run, message)
        if message.kind is Kind.HEARTBEAT and incoming.refusal is None:
            return
        if self._arrived_before(run, message):
            self._acknowledge(run)
            return
        refusal = incoming.refusal or self._runs.refusal(run, message)
        if refusal is not None:
            self._reject(run, message, refusal)
            return
        await self._wait_for_room(run)
        if run.writer is not self:
            raise superseded()
        self._store(run, incoming)

    def _arrived_before(self, run: LiveRun, message: Message) -> bool:
        """Whether a message is a repetition.

        Raises:
            Failure: SEQ_GAP if one before it is missing.
        """
        if not message.sequence:  # zero breaks a rule, and is refused for that
            return False
        if message.sequence <= run.state.received:
            return True
        missing = run.state.missing_before(message.sequence)
        if missing is not None and not (message.gap is not None and message.gap.first <= missing <= message.gap.last):
            raise Failure(
                Reason.SEQ_GAP,
                f"sequence {missing} is missing before {message.sequence}; go on from there, or send a gap",
                metadata={"next_seq": str(missing)},
            )
        return False

    def _reject(self, run: LiveRun, message: Message, refusal: Refusal) -> None:
        """Refuse a message, or an image of it; the sequence of the message counts as received."""
        if refusal.image_index is None and message.sequence:
            run.state.passed(message.sequence)
            run.touch()
            self._unsafe.append(_Unsafe(run.state.position, message.sequence, None))
            self.durable(run.durable)
        if self._numbers:
            rejected = Rejected(message.run_id, refusal.reason, refusal.message, message.sequence, refusal.image_index)
            self.outbox.put(rejected)
        else:
            self.outbox.put(Faulted(message.run_id, refusal.reason, refusal.message))

    def _store(self, run: LiveRun, incoming: Incoming) -> None:
        message, raw = incoming.message, incoming.raw
        run.remember_images(incoming.images)  # first: a batch may name an image that it holds itself
        unknown = [index for index, digest in incoming.named_images.items() if run.image(digest) is None]
        if unknown:
            raw = self._runs.codec.dropping_images(raw, unknown)
        entry = self._runs.record(run, message, raw)
        numbered = message.sequence is not None
        batch = message.kind in (Kind.BATCH, Kind.IMAGE_BATCH) and not numbered
        if numbered or batch:
            index = message.batch_index if batch else None
            self._unsafe.append(_Unsafe(entry.position, message.sequence, index))
        text = "no image with this hash was sent on this run lately; send it in full"
        for refusal in (*incoming.refusals, *(Refusal(Reason.IMAGE_INVALID, text, index) for index in unknown)):
            self._reject(run, message, refusal)
        if numbered:
            self._acknowledge_soon(run)

    def _acknowledge_soon(self, run: LiveRun) -> None:
        """Acknowledge the arrival of a message, with that of others: each acknowledgement costs both sides a packet."""
        self._unheard += 1
        if self._unheard >= self._together:
            self._acknowledge(run)
        elif self._acknowledging is None:
            self._acknowledging = self._loop.call_later(ACKNOWLEDGE_SECONDS, self._acknowledge, run)

    def _acknowledge(self, run: LiveRun) -> None:
        self._unheard = 0
        if self._acknowledging is not None:
            self._acknowledging.cancel()
            self._acknowledging = None
        received = run.state.received
        self.outbox.put(Acknowledged(run.state.run_id, received, min(self._safe_sequence, received)))

    async def _wait_for_room(self, run: LiveRun) -> None:
        """Hold the writer back while the disk is behind.

        Raises:
            Failure: BUFFER_FULL if it stays behind.
        """
        if not self._numbers and len(self._unsafe) >= self._limits.buffer_size:
            try:
                async with asyncio.timeout(STALL_SECONDS):
                    while len(self._unsafe) >= self._limits.buffer_size:
                        self._room.clear()
                        await self._room.wait()
            except TimeoutError:
                raise _buffer_full() from None
        if not await self._runs.store.room(STALL_SECONDS):
            raise _buffer_full()
        run.heard()


def superseded() -> Failure:
    """How the stream of a writer ends whose run another one took."""
    return Failure(Reason.STREAM_SUPERSEDED, "another writer took this run over; this one must stop")


def not_registered(run_id: str) -> Failure:
    """How a stream ends that writes to a run it may not write to."""
    return Failure(
        Reason.RUN_NOT_REGISTERED,
        f"run {run_id!r} is not registered here; call RegisterTrainingSession first",
        violations=(Violation("session_id", "is not registered"),),
    )


def _buffer_full() -> Failure:
    return Failure(
        Reason.BUFFER_FULL,
        "the disk of the server is slower than this writer; send less at a time",
        violations=(Violation("telemetry_bytes", "too many bytes wait to be written"),),
        retry_after=1.0,
    )
