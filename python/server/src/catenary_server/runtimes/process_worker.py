"""A worker as the application sees it: calls that cross to a process of their own."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, cast

from catenary_server.domain.failure import Failure, Reason
from catenary_server.runtimes.blocks import room_for
from catenary_server.runtimes.calls import Calls, value_of
from catenary_server.runtimes.channel import Channel
from catenary_server.runtimes.frames import Parcel
from catenary_server.runtimes.messages import (
    REPORT_WINDOW,
    STARTED,
    Credit,
    Method,
    Report,
    Request,
    Withdrawal,
)
from catenary_server.runtimes.reservation import BlockReservation, require_room
from catenary_server.runtimes.worker_process import WorkerProcess, describe_end

if TYPE_CHECKING:
    import socket
    from collections.abc import AsyncIterator, Callable, Mapping, Sequence
    from concurrent.futures import Executor
    from multiprocessing.process import BaseProcess

    from catenary_server.domain.checkpoint import Checkpoint
    from catenary_server.domain.control import Applied, Command
    from catenary_server.domain.node import NodeSpec
    from catenary_server.domain.pipeline import PipelineConfig
    from catenary_server.domain.plugin import InstalledPlugin
    from catenary_server.domain.profiling import NodeTimes, ProfilingChange
    from catenary_server.domain.progress import Progress
    from catenary_server.domain.runtime import Catalog, Inference, Reservation, WeightsReport
    from catenary_server.domain.tensor import Tensor
    from catenary_server.domain.training import EvaluationJob, Stage, TrainingJob
    from catenary_server.runtimes.blocks import Block
    from catenary_server.runtimes.cores import FrontEndCores
    from catenary_server.runtimes.frames import Framing
    from catenary_server.runtimes.messages import Answer, Final, Message

OFFLOAD_BYTES = 4 << 20
"""Payloads from here on are copied in a thread: the loop serves other sessions meanwhile. Less is copied sooner than a
thread would begin."""

GRACE_SECONDS = 2.0
"""How long a worker that was asked to end may take before it is killed."""

_logger = logging.getLogger(__name__)
_CREDIT_STEP = REPORT_WINDOW // 4


class ProcessWorker:
    """Implements `domain.runtime.Worker` over a process and a socket pair.

    Views in an `Inference` stay valid for as long as they are kept; their memory is used again after that.

    Args:
        process: started already; belongs to the worker.
        connection: our end of the socket pair; belongs to the worker.
        framing: packs and unpacks messages of this connection.
        processes: the one thread that touches process objects.
        copies: threads that copy large payloads.
        cores: those of the front end while a run goes on.
        on_gone: called once on the loop when the process is gone, for whatever reason.
    """

    def __init__(
        self,
        *,
        process: BaseProcess,
        connection: socket.socket,
        framing: Framing,
        processes: Executor,
        copies: Executor,
        cores: FrontEndCores,
        on_gone: Callable[[ProcessWorker], None],
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._framing = framing
        self._copies = copies
        self._cores = cores
        self._on_gone = on_gone
        self._calls = Calls()
        self._started = self._calls.expect(STARTED)
        self._order = asyncio.Lock()
        self._on_lost: Callable[[Failure], None] | None = None
        self._end: Failure | None = None
        self._closing: asyncio.Task[None] | None = None
        self._last_call = self._loop.time()
        self._trimmed = False
        self._ping: asyncio.Future[Final] | None = None
        self._pinged = 0.0
        self._channel = Channel(self._loop, connection, framing, self._deliver)
        self._process = WorkerProcess(process, processes, self._on_end)

    @property
    def process_id(self) -> int:
        """Process id, for operators."""
        return self._process.process_id

    async def wait_started(self, on_lost: Callable[[Failure], None]) -> None:
        """Wait until the engine is built; from then on `on_lost` hears if the process ends.

        Raises:
            Failure: what building the engine raised, or WORKER_CRASHED.
        """
        value_of(await self._started)
        self._check_alive()
        self._on_lost = on_lost

    async def catalog(self) -> Catalog:
        """Node types and devices."""
        return cast("Catalog", await self._ask(Method.CATALOG))

    async def load_pipeline(self, pipeline: PipelineConfig) -> None:
        """See `Engine.load_pipeline`."""
        await self._ask(Method.LOAD_PIPELINE, pipeline)

    async def load_plugin(self, plugin: InstalledPlugin) -> Mapping[str, NodeSpec]:
        """See `Engine.load_plugin`."""
        return cast("Mapping[str, NodeSpec]", await self._ask(Method.LOAD_PLUGIN, plugin))

    async def load_weights(self, weights: bytes, *, strict: bool) -> WeightsReport:
        """See `Engine.load_weights`."""
        answer = self._ask(Method.LOAD_WEIGHTS, memoryview(weights), strict, nbytes=len(weights))
        return cast("WeightsReport", await answer)

    async def dump_weights(self) -> bytes:
        """See `Engine.dump_weights`."""
        return bytes(cast("memoryview", await self._ask(Method.DUMP_WEIGHTS)))

    async def stop_training(self) -> bool:
        """See `Engine.stop_training`. Also stops a phase that was asked for and has not begun."""
        return cast("bool", await self._ask(Method.STOP_TRAINING))

    async def control(self, command: Command) -> Applied:
        """See `Engine.control`; returns when the command took effect."""
        return cast("Applied", await self._ask(Method.CONTROL, command))

    async def set_profiling(self, change: ProfilingChange) -> bool:
        """See `Engine.set_profiling`."""
        return cast("bool", await self._ask(Method.SET_PROFILING, change))

    async def profile(self, stage: Stage | None) -> tuple[NodeTimes, ...]:
        """See `Engine.profile`."""
        return cast("tuple[NodeTimes, ...]", await self._ask(Method.PROFILE, stage))

    async def infer(
        self, inputs: Mapping[str, Tensor], outputs: Sequence[str], reservation: Reservation | None = None
    ) -> Inference:
        """See `Engine.infer`. Inferences of one worker are answered in the order they were asked."""
        call = self._calls.next_number()
        request = Request(call, Method.INFER, (dict(inputs), tuple(outputs)))
        nbytes = sum(tensor.nbytes for tensor in inputs.values())
        # The lock is fair: whoever came first has its payload copied and is sent first.
        async with self._order:
            if reservation is None:
                parcel = await self._pack(request, nbytes)
            else:
                parcel = self._pack_reserved(request, cast("BlockReservation", reservation))
            answer = self._send(call, parcel)
        return cast("Inference", await self._answered(call, answer))

    async def reserve(self, sizes: Sequence[int]) -> BlockReservation:
        """Memory for payloads of these lengths in bytes; its pages are made present in a thread.

        Raises:
            Failure: QUOTA_MEMORY if the machine has no room for them, WORKER_CRASHED.
        """
        self._check_alive()
        leasing = self._loop.run_in_executor(self._copies, self._lease, room_for(sizes))
        try:
            block = await asyncio.shield(leasing)
        except asyncio.CancelledError:
            leasing.add_done_callback(self._give_up)
            raise
        if self._end is not None:
            self._framing.discard(Parcel(b"", block))
            self._framing.outgoing.trim()
            self._check_alive()
        return BlockReservation(block, self._framing.outgoing, sizes)

    def train(self, job: TrainingJob) -> AsyncIterator[Progress | Checkpoint | str]:
        """Reports of the phase, then its closing message. Begins with the first step of the iteration.

        The worker runs ahead of the reader by `REPORT_WINDOW` reports and then waits. Leaving the iterator does not
        stop the phase; its reports are dropped then.
        """
        return self._watch(Method.TRAIN, job, 0 if job.checkpoint is None else job.checkpoint.nbytes)

    def evaluate(self, job: EvaluationJob) -> AsyncIterator[Progress | str]:
        """Reports of the evaluation, then its closing message; otherwise as `train`."""
        return cast("AsyncIterator[Progress | str]", self._watch(Method.EVALUATE, job))

    def trim_if_idle(self, seconds: float) -> None:
        """Give up the shared memory kept for the next call, on both sides, if the last one was so long ago."""
        idle = not len(self._calls) and self._loop.time() - self._last_call >= seconds
        if idle and not self._trimmed:
            self._trimmed = True
            self._framing.outgoing.trim()
            self._post(Request(self._calls.next_number(), Method.TRIM))

    async def check_hung(self, patience_seconds: float) -> None:
        """Ask a worker that someone waits for whether it lives; end one that has not answered the last such question.

        A worker answers in a thread of its own, so only one whose interpreter stands still does not: code that never
        lets go of it, or a process that was stopped.
        """
        if self._ping is None or self._ping.done():
            if len(self._calls) and self._end is None:
                call = self._calls.next_number()
                self._ping, self._pinged = self._calls.expect(call), self._loop.time()
                self._post(Request(call, Method.PING))
        elif self._loop.time() - self._pinged >= patience_seconds and self._end is None:
            _logger.warning("worker %d has not answered for %g seconds", self.process_id, patience_seconds)
            lost = self._finish(
                Reason.WORKER_HUNG, f"the session's worker process did not answer for {patience_seconds:g} seconds"
            )
            if self._on_lost is not None:
                self._on_lost(lost)
            await self._process.end(0)

    def kill_now(self) -> None:
        """Kill the process without waiting, when no event loop runs any more."""
        self._process.kill_now()

    async def close(self) -> None:
        """Ask the process to end, kill it if it does not soon, and return when it is gone. Idempotent."""
        if self._closing is None:
            self._closing = self._loop.create_task(self._shut(), name=f"close worker {self.process_id}")
        await asyncio.shield(self._closing)

    async def _shut(self) -> None:
        self._finish(Reason.SESSION_CLOSING, "the session was closed")
        self._channel.close_writing()
        await self._process.end(GRACE_SECONDS)

    async def _ask(self, method: Method, *arguments: object, nbytes: int = 0) -> object:
        call = self._calls.next_number()
        parcel = await self._pack(Request(call, method, arguments), nbytes)
        return await self._answered(call, self._send(call, parcel))

    async def _answered(self, call: int, answer: asyncio.Future[Final]) -> object:
        try:
            return value_of(await answer)
        finally:
            if self._calls.withdraw(call):
                self._post(Withdrawal(call))

    async def _watch(
        self, method: Method, job: TrainingJob | EvaluationJob, nbytes: int = 0
    ) -> AsyncIterator[Progress | Checkpoint | str]:
        call = self._calls.next_number()
        parcel = await self._pack(Request(call, method, (job,)), nbytes)
        self._admit(parcel)
        answers = self._calls.expect_reports(call)
        self._channel.send(parcel)
        taken = 0
        try:
            with self._cores.while_training():
                while isinstance(answer := await answers.get(), Report):
                    yield answer.progress
                    taken += 1
                    if taken % _CREDIT_STEP == 0:
                        self._post(Credit(call, _CREDIT_STEP))
            yield cast("str", value_of(answer))
        finally:
            if self._calls.withdraw(call):
                self._post(Credit(call, None))

    def _send(self, call: int, parcel: Parcel) -> asyncio.Future[Final]:
        self._admit(parcel)
        answer = self._calls.expect(call)
        self._channel.send(parcel)
        return answer

    async def _pack(self, message: Message, nbytes: int) -> Parcel:
        self._check_alive()
        if nbytes < OFFLOAD_BYTES:
            return self._framing.pack(message)
        packing = self._loop.run_in_executor(self._copies, self._framing.pack, message)
        try:
            return await asyncio.shield(packing)
        except asyncio.CancelledError:
            packing.add_done_callback(self._discard)
            raise

    def _pack_reserved(self, request: Request, reservation: BlockReservation) -> Parcel:
        self._check_alive()
        parcel = self._framing.pack(request, reservation.block)
        reservation.taken()
        return parcel

    def _lease(self, nbytes: int) -> Block:
        blocks = self._framing.outgoing
        require_room(nbytes - blocks.free_bytes)
        return blocks.lease(nbytes)

    def _give_up(self, leasing: asyncio.Future[Block]) -> None:
        if not leasing.cancelled() and leasing.exception() is None:
            self._framing.discard(Parcel(b"", leasing.result()))

    def _discard(self, packing: asyncio.Future[Parcel]) -> None:
        if not packing.cancelled() and packing.exception() is None:
            self._framing.discard(packing.result())

    def _admit(self, parcel: Parcel) -> None:
        self._last_call = self._loop.time()
        self._trimmed = False
        if self._end is not None:
            self._framing.discard(parcel)
            self._check_alive()

    def _check_alive(self) -> None:
        if self._end is not None:
            raise Failure(self._end.reason, self._end.message)

    def _post(self, message: Message) -> None:
        if self._end is None:
            self._channel.send(self._framing.pack(message))

    def _deliver(self, message: Message) -> None:
        self._calls.deliver(cast("Answer", message))

    def _on_end(self, exit_code: int) -> None:
        self._channel.drain()
        self._channel.close()
        self._on_gone(self)
        if self._end is None:
            _logger.warning("worker %d %s", self.process_id, describe_end(exit_code))
            end = describe_end(exit_code)
            advice = "load a pipeline again, or close the session"
            lost = self._finish(Reason.WORKER_CRASHED, f"the session's worker process {end}: {advice}")
            if self._on_lost is not None:
                self._on_lost(lost)

    def _finish(self, reason: Reason, message: str) -> Failure:
        if self._end is None:
            self._end = Failure(reason, message)
            self._calls.fail_all(reason, message)
        return self._end
