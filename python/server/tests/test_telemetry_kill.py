"""What was acknowledged as durable is stored exactly once and in order, whenever the server is killed."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import grpc
from served_telemetry import DEADLINE, EOF, Request, batch

from catenary.telemetry.v1 import registration_pb2, telemetry_service_pb2_grpc
from catenary_recordlog import RecordReader

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

SERVER = Path(__file__).parent / "support" / "telemetry_process.py"
KILLS = 50 if os.environ.get("CATENARY_THOROUGH") else 4


@contextlib.asynccontextmanager
async def server(folder: Path) -> AsyncIterator[tuple[asyncio.subprocess.Process, str]]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(SERVER), str(folder), stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    try:
        yield process, (await asyncio.wait_for(process.stdout.readline(), DEADLINE)).decode().strip()
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


class Writer:
    """Writes until the server dies, and goes on with the next one where that says."""

    def __init__(self, run_id: str) -> None:
        self.run_id = run_id
        self.token = ""
        self.durable = 0

    async def write(self, address: str) -> None:
        with contextlib.suppress(grpc.aio.AioRpcError, asyncio.InvalidStateError):  # the latter: sent after its end
            async with grpc.aio.insecure_channel(address) as channel:
                stub = telemetry_service_pb2_grpc.TelemetryServiceStub(channel)
                request = registration_pb2.RegisterTrainingSessionRequest(
                    session_id=self.run_id, resume_token=self.token
                )
                registered = await stub.RegisterTrainingSession(request, timeout=DEADLINE)
                assert registered.resume_from_sequence > self.durable, "an acknowledged message was lost"
                self.token = registered.resume_token
                call = stub.StreamTelemetry(None)
                reading = asyncio.create_task(self._read(call))
                try:
                    await self._send(call, registered)
                finally:
                    await reading

    async def _send(self, call: Any, registered: Any) -> None:
        sequence = registered.resume_from_sequence
        for number in range(max(sequence - 3, 1), 1 << 30):
            payload = batch(number, images=2)
            epoch = registered.writer_epoch
            await call.write(Request(session_id=self.run_id, sequence=number, writer_epoch=epoch, batch_data=payload))

    async def _read(self, call: Any) -> None:
        with contextlib.suppress(grpc.aio.AioRpcError, asyncio.CancelledError):
            while (response := await call.read()) is not EOF:
                self.durable = max(self.durable, response.ack.durable_sequence)


async def test_a_server_that_is_killed_at_random_loses_nothing(tmp_path: Path) -> None:
    writers = [Writer("one"), Writer("two")]
    chance = random.Random(7)  # noqa: S311 - no secret
    for _ in range(KILLS):
        before = [writer.durable for writer in writers]
        async with server(tmp_path) as (process, address):
            tasks = [asyncio.create_task(writer.write(address)) for writer in writers]
            more = chance.randrange(1, 200)
            async with asyncio.timeout(DEADLINE):
                while any(writer.durable < old + more for writer, old in zip(writers, before, strict=True)):
                    done, _ = await asyncio.wait(tasks, timeout=0.01, return_when=asyncio.FIRST_COMPLETED)
                    assert not done, "a writer stopped before the server was killed"
            process.send_signal(signal.SIGKILL)
            await process.wait()
            await asyncio.wait_for(asyncio.gather(*tasks), DEADLINE)
    for writer in writers:
        stored = stored_sequences(tmp_path, writer.run_id)
        assert stored == list(range(1, len(stored) + 1))
        assert len(stored) >= writer.durable > KILLS


def stored_sequences(folder: Path, run_id: str) -> list[int]:
    (log,) = (folder / "runs").glob(f"{run_id}.*")
    records = RecordReader.open(log).read()
    return [Request.FromString(record.payload).sequence for record in records if 0 < record.kind < 32]
