"""G4: four trainings at 60 steps a second into one server, while somebody watches one of them."""

from __future__ import annotations

import asyncio
import contextlib
import statistics
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import grpc

from benchmarks.peers.environments import NotRun, Peer
from benchmarks.peers.loop import Job
from benchmarks.report import Goal, Table
from benchmarks.serving.telemetry import catenary_telemetry, processor_seconds
from catenary.telemetry.v1 import telemetry_service_pb2_grpc, watch_pb2

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.peers.loop import Outcome

_SESSIONS = 4
_RATE = 60.0
_MESSAGE_BYTES = 64 << 20


def measure(tiles: Path, folder: Path, *, quick: bool) -> tuple[list[Table], list[Goal]]:
    """All at once, from processes of their own."""
    return asyncio.run(_measure(tiles, folder, int(_RATE * (4 if quick else 10))))


async def _measure(tiles: Path, folder: Path, steps: int) -> tuple[list[Table], list[Goal]]:
    job = Job("images", steps, _RATE)
    with catenary_telemetry(folder / "server") as server, ThreadPoolExecutor(_SESSIONS) as threads:
        loop = asyncio.get_running_loop()
        trainer = Peer("ours", "catenary", target=server.address)
        watching = asyncio.create_task(_watch(server.address, f"1-{job}".replace(":", "-")))
        before = processor_seconds(server.process_id)
        runs = [
            loop.run_in_executor(threads, trainer.run, tiles, folder / str(number), [job])
            for number in range(_SESSIONS)
        ]
        try:
            outcomes = [outcome for found in await asyncio.gather(*runs) for outcome in found]
        except NotRun as error:
            watching.cancel()
            return [], [Goal(f"G4: did not run: {error}", 1, 0)]
        spent = processor_seconds(server.process_id) - before
        seen = await watching
    return _result(outcomes, seen, 1e3 * spent / (_SESSIONS * steps))


async def _watch(address: str, run_id: str) -> int:
    """Watch a run to its end, from the moment on when there is one; batches with images that came."""
    options = [("grpc.max_receive_message_length", _MESSAGE_BYTES)]
    async with grpc.aio.insecure_channel(address, options=options) as channel:
        stub: Any = telemetry_service_pb2_grpc.TelemetryServiceStub(channel)
        while True:
            seen = 0
            with contextlib.suppress(grpc.aio.AioRpcError):
                async for event in stub.WatchRun(watch_pb2.WatchRunRequest(run_id=run_id)):
                    seen += any(image.image_bytes for image in event.record.batch_data.images)
                    if event.HasField("run_ended"):
                        return seen
            await asyncio.sleep(0.02)


def _result(outcomes: list[Outcome], seen: int, server_cpu: float) -> tuple[list[Table], list[Goal]]:
    rates = [len(outcome.blocking) / outcome.seconds for outcome in outcomes]
    dropped = sum(outcome.figures["dropped"] + 1 - outcome.figures["complete"] for outcome in outcomes)
    steps = len(outcomes[0].blocking)
    row = (
        f"{len(outcomes)} x {_RATE:g}/s, {steps} steps each",
        min(rates),
        sum(outcome.late for outcome in outcomes),
        statistics.median(1e3 * outcome.cpu_seconds / steps for outcome in outcomes),
        server_cpu,
        100 * seen / steps,
        int(dropped),
    )
    columns = (
        "trainings",
        "slowest, durable steps/s",
        "late steps",
        "trainer CPU ms/step",
        "server CPU ms/step",
        "% of batches shown to the viewer",
        "dropped",
    )
    goals = [
        Goal("G4: durable steps/s of the slowest of 4 at 60/s, end included", min(rates), 0.95 * _RATE, at_most=False),
        Goal("G4: batches dropped", dropped, 0),
    ]
    return [Table("Four trainings, one viewer", columns, (row,))], goals
