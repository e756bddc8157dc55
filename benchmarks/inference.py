"""Inference: what a request costs beside what others need for it, in time and in memory.

Our server is the real program; only its engine has a few nodes more. Every ratio is of medians of calls that were made
in turn in this run. KServe is installed on first use, with pinned packages, into an environment of its own; only torch
is taken from ours.
"""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

from benchmarks.inference_rows import chunked, echo, isolation, network, shared
from benchmarks.report import Report
from benchmarks.serving.processes import catenary
from catenary_client import AsyncClient


def run(*, quick: bool) -> Report:
    """Measure everything."""
    with tempfile.TemporaryDirectory() as folder:
        return asyncio.run(_run(Path(folder), quick=quick))


async def _run(folder: Path, *, quick: bool) -> Report:
    with catenary(folder) as server:
        async with AsyncClient(server.address, timeout=300.0) as client:
            idle, idle_goals = await isolation.measure_idle(server, client)
            echoed, echo_goals = await echo.measure(server, client, folder, quick=quick)
            scored, network_goals = await network.measure(server, client, folder, quick=quick)
            cut, chunk_goals = await chunked.measure(server, client, folder, quick=quick)
            near = await shared.measure(server, quick=quick)
            beside, neighbour_goals = await isolation.measure_neighbour(server, client, quick=quick)
    goals = (*echo_goals, *network_goals, *chunk_goals, *neighbour_goals, *idle_goals)
    return Report("inference", (echoed, scored, *cut, near, beside, idle), goals)
