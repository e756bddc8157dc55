"""What one session's work does to another's latency, and what a session that does nothing costs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from benchmarks.inference_rows.calls import INFERENCE, MILLI, alternate, channel, inference_request, sender
from benchmarks.report import Goal, Table, quantile
from benchmarks.serving.processes import private_bytes

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from benchmarks.serving.processes import Served
    from catenary_client import AsyncClient

SESSIONS = 500
_KIBI = 1024
_MOST_RATIO, _MOST_KIBIBYTES = 1.25, 64
_TRAINING = {
    "name": "loop",
    "pipeline": {"nodes": [{"name": "loop", "class_name": "PurePythonTraining"}]},
    "data": {"source": "synthetic", "synthetic": {"rows": 512, "cols": 512, "bands": 4}, "batch_size": 1},
}
"""A thousand batches: more than are measured."""


async def measure_neighbour(server: Served, client: AsyncClient, *, quick: bool) -> tuple[Table, list[Goal]]:
    """Latency of one session while nothing else runs, and while another one trains in pure Python."""
    rounds, turns = (100, 2) if quick else (300, 10)
    seconds: dict[str, list[float]] = {"idle": [], "another trains in Python": []}
    cube = np.random.default_rng(0).random((1, 64, 64, 61), np.float32)
    async with (
        await client.create_session() as session,
        await client.create_session() as other,
        channel(server.address) as ours,
    ):
        await session.load_pipeline({"nodes": [{"name": "net", "class_name": "PixelNetwork"}]})
        await other.set_trainrun(_TRAINING)
        call = sender(ours, INFERENCE, inference_request(session.session_id, cube))
        for _ in range(turns):
            seconds["idle"] += await _timed(call, rounds)
            events = other.train("statistical")
            await anext(events)
            seconds["another trains in Python"] += await _timed(call, rounds)
            await other.stop()
            _ = [event async for event in events]
    rows = [
        (name, len(values), quantile(values, 0.5) * MILLI, quantile(values, 0.99) * MILLI)
        for name, values in seconds.items()
    ]
    idle, busy = (quantile(values, 0.99) for values in seconds.values())
    goals = [Goal("p99 while another session trains in Python, over idle", busy / idle, _MOST_RATIO)]
    return Table(
        "Network 61-64-1 beside another session", ("meanwhile", "n", "median ms", "p99 ms"), tuple(rows)
    ), goals


async def measure_idle(server: Served, client: AsyncClient) -> tuple[Table, list[Goal]]:
    """Memory of the front end for a session that has no pipeline."""
    warm = [await client.create_session() for _ in range(50)]
    before = private_bytes(server.process_id)
    sessions = [await client.create_session() for _ in range(SESSIONS)]
    each = (private_bytes(server.process_id) - before) / SESSIONS / _KIBI
    for session in (*warm, *sessions):
        await session.close()
    table = Table("Sessions without a pipeline", ("sessions", "KiB each in the front end"), ((SESSIONS, each),))
    return table, [Goal("idle session in the front end, KiB", each, _MOST_KIBIBYTES)]


async def _timed(call: Callable[[], Awaitable[object]], rounds: int) -> list[float]:
    return (await alternate({"call": call}, rounds))["call"]
