"""A small honest telemetry server: acknowledges what it stored, checks the order of sequences, can be killed."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import secrets
import threading
import time
from collections import Counter
from typing import TYPE_CHECKING, Any

import grpc

from catenary.telemetry.v1 import (
    command_pb2,
    registration_pb2,
    stream_pb2,
    telemetry_service_pb2_grpc,
)
from catenary_wire.errors import status_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

SECONDS = 30.0
"""How long a test waits for what has to happen."""


@dataclasses.dataclass
class StoredRun:
    """What the server knows of one run."""

    registration: registration_pb2.RegisterTrainingSessionRequest
    epoch: int = 0
    token: str = ""
    stored: list[stream_pb2.StreamTelemetryRequest] = dataclasses.field(default_factory=list)
    last: int = 0
    durable: int = 0
    heartbeats: int = 0
    duplicates: int = 0
    out: asyncio.Queue[stream_pb2.StreamTelemetryResponse | None] | None = None
    half_closed: int = 0
    answered: dict[str, registration_pb2.RegisterTrainingSessionResponse] = dataclasses.field(default_factory=dict)

    def payloads(self, kind: str) -> list[stream_pb2.StreamTelemetryRequest]:
        return [request for request in self.stored if request.WhichOneof("payload") == kind]

    @property
    def statuses(self) -> list[int]:
        return [request.status_update.status for request in self.payloads("status_update")]

    @property
    def steps(self) -> list[int]:
        """Steps of the batches, in the order of the log."""
        return [request.batch_data.global_step for request in self.payloads("batch_data")]

    @property
    def samples(self) -> list[tuple[str, int, float]]:
        return [
            (sample.metric_name, sample.global_step, sample.value)
            for request in self.payloads("metric_batch")
            for sample in request.metric_batch.samples
        ]


class TelemetryServer(telemetry_service_pb2_grpc.TelemetryServiceServicer):
    """Runs in a thread of its own, on a port that stays the same over restarts."""

    def __init__(self) -> None:
        self.runs: dict[str, StoredRun] = {}
        self.refuse_with: str = ""
        self.answers_are_lost = False
        self.heartbeat_ms = 2000
        self.most_image_dimension = 512
        self.holding = False
        self.faults: Counter[str] = Counter()
        self.connections = 0
        self.port = 0
        self._changed = threading.Condition()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._server: grpc.aio.Server | None = None
        self._killed = False
        self.start()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def start(self) -> None:
        asyncio.run_coroutine_threadsafe(self._start(), self._loop).result(SECONDS)

    def kill(self) -> None:
        """Stop at once; what was not durable is lost."""
        asyncio.run_coroutine_threadsafe(self._kill(), self._loop).result(SECONDS)

    def close(self) -> None:
        self.kill()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(SECONDS)
        self._loop.close()

    def run(self) -> StoredRun:
        """The only run."""
        (run,) = self.runs.values()
        return run

    def send(self, run: StoredRun, response: stream_pb2.StreamTelemetryResponse) -> None:
        """Say something to the writer of a run, as soon as there is one."""
        self.wait_until(lambda: run.out is not None)
        queue = run.out
        assert queue is not None
        self._loop.call_soon_threadsafe(queue.put_nowait, response)

    def command(self, run: StoredRun, command_id: str, kind: command_pb2.CommandType.ValueType, **fields: Any) -> None:
        command = command_pb2.ControlCommand(command_id=command_id, type=kind, **fields)
        self.send(run, stream_pb2.StreamTelemetryResponse(timestamp_ms=_now_ms(), command=command))

    def wait_until(self, happened: Callable[[], bool]) -> None:
        with self._changed:
            assert self._changed.wait_for(happened, SECONDS), "it did not happen in time"

    async def _start(self) -> None:
        self._server = grpc.aio.server(
            options=[("grpc.max_receive_message_length", 64 << 20), ("grpc.so_reuseport", 0)]
        )
        telemetry_service_pb2_grpc.add_TelemetryServiceServicer_to_server(self, self._server)
        for _ in range(200):
            with contextlib.suppress(RuntimeError):
                self.port = self._server.add_insecure_port(f"127.0.0.1:{self.port}")
                break
            await asyncio.sleep(0.01)
        self._killed = False
        await self._server.start()

    async def _kill(self) -> None:
        self._killed = True
        if self._server is not None:
            await self._server.stop(None)
            self._server = None
        for run in self.runs.values():
            run.stored = [request for request in run.stored if request.sequence <= run.durable]
            run.last = run.durable
            run.out = None

    async def RegisterTrainingSession(
        self,
        request: registration_pb2.RegisterTrainingSessionRequest,
        context: grpc.aio.ServicerContext[object, object],
    ) -> registration_pb2.RegisterTrainingSessionResponse:
        if self.refuse_with:
            await _abort(context, self.refuse_with, "the test says no")
        run = self.runs.setdefault(request.session_id, StoredRun(request))
        if request.request_id in run.answered:
            if self.answers_are_lost:
                await _abort(context, "STORAGE_IO", "the answer is lost on its way")
            return run.answered[request.request_id]
        if run.epoch and request.resume_token != run.token:
            await _abort(context, "STALE_EPOCH", "the token is not the newest")
        run.registration = request
        run.epoch += 1
        run.token = secrets.token_hex(8)
        run.durable = run.last
        self._notify()
        response = registration_pb2.RegisterTrainingSessionResponse(
            success=True,
            session_id=request.session_id,
            writer_epoch=run.epoch,
            resume_from_sequence=run.durable + 1,
            resume_token=run.token,
            server_config=registration_pb2.ServerConfig(
                max_batch_size=64,
                max_image_dimension=self.most_image_dimension,
                heartbeat_interval_ms=self.heartbeat_ms,
                buffer_size=1000,
                max_images_per_batch=16,
                max_message_bytes=8 << 20,
            ),
        )
        if request.request_id:
            run.answered[request.request_id] = response
        if self.answers_are_lost:
            await _abort(context, "STORAGE_IO", "the answer is lost on its way")
        return response

    async def StreamTelemetry(
        self,
        request_iterator: AsyncIterator[stream_pb2.StreamTelemetryRequest],
        context: grpc.aio.ServicerContext[object, object],
    ) -> AsyncIterator[stream_pb2.StreamTelemetryResponse]:
        self.connections += 1
        out: asyncio.Queue[stream_pb2.StreamTelemetryResponse | None] = asyncio.Queue()
        reading = asyncio.create_task(self._read(request_iterator, out))
        try:
            while (response := await out.get()) is not None:
                yield response
            fault = reading.result()
            if fault:
                await _abort(context, fault, "the order is wrong")
        finally:
            reading.cancel()
            for run in self.runs.values():
                if run.out is out:
                    run.out = None

    async def _read(
        self,
        requests: AsyncIterator[stream_pb2.StreamTelemetryRequest],
        out: asyncio.Queue[stream_pb2.StreamTelemetryResponse | None],
    ) -> str:
        run: StoredRun | None = None
        try:
            async for request in requests:
                run = self.runs[request.session_id]
                run.out = out
                fault = self._take(run, request)
                if fault:
                    self.faults[fault] += 1
                    return fault
                self._acknowledge(run, out)
                self._notify()
            if run is not None and not self._killed:
                run.half_closed += 1
                run.durable = run.last
                self._acknowledge(run, out)
            return ""
        finally:
            out.put_nowait(None)
            self._notify()

    def _take(self, run: StoredRun, request: stream_pb2.StreamTelemetryRequest) -> str:
        if request.HasField("heartbeat"):
            run.heartbeats += 1
            return ""
        if request.writer_epoch != run.epoch:
            return "STALE_EPOCH"
        if request.sequence <= run.last:
            run.duplicates += 1
            return ""
        if request.sequence != run.last + 1:
            return "SEQ_GAP"
        run.stored.append(request)
        run.last = request.gap.to_sequence if request.HasField("gap") else request.sequence
        return ""

    def _acknowledge(self, run: StoredRun, out: asyncio.Queue[stream_pb2.StreamTelemetryResponse | None]) -> None:
        if not self.holding:
            run.durable = run.last
        ack = stream_pb2.Acknowledgment(success=True, received_sequence=run.last, durable_sequence=run.durable)
        out.put_nowait(stream_pb2.StreamTelemetryResponse(timestamp_ms=_now_ms(), ack=ack))

    def _notify(self) -> None:
        with self._changed:
            self._changed.notify_all()


async def _abort(context: Any, reason: str, message: str) -> None:
    await context.abort_with_status(status_of(reason, message))


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
