"""A cube of 300 MB in pieces, against the same bytes over a bare connection; and what it costs in memory."""

from __future__ import annotations

import asyncio
import socket
import time
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.inference_rows.calls import MILLI
from benchmarks.report import Goal, Table, quantile
from benchmarks.serving.processes import peak_bytes, reset_peak, resident_bytes, served

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any

    from numpy.typing import NDArray

    from benchmarks.serving.processes import Served
    from catenary_client import AsyncClient, AsyncSession

_SHAPE = (1, 1000, 1000, 75)
_MOST = 1.3
_LEAST = 0.60


async def measure(server: Served, client: AsyncClient, folder: Path, *, quick: bool) -> tuple[list[Table], list[Goal]]:
    """Time and memory of an inference with a small output, and of one that gives its input back."""
    cube = np.full(_SHAPE, 0.5, np.float32)
    memory: list[tuple[str | float, ...]] = []
    goals: list[Goal] = []
    for node, outputs in (("FirstBand", cube.nbytes // _SHAPE[-1]), ("Identity", cube.nbytes)):
        async with await client.create_session() as session:
            await session.load_pipeline({"nodes": [{"name": "node", "class_name": node}]})
            peaks = await _peaks(server, session, cube)
        payload = cube.nbytes + outputs
        ratios = {process: peak / payload for process, peak in peaks.items()}
        memory.append((node, payload / 1e6, *(peaks[each] / 1e6 for each in peaks), *ratios.values()))
        goals += [
            Goal(f"{node}, 300 MB in pieces: peak of the {process} over payload", ratio, _MOST)
            for process, ratio in ratios.items()
        ]
    async with await client.create_session() as session:
        await session.load_pipeline({"nodes": [{"name": "node", "class_name": "FirstBand"}]})
        seconds = await _seconds(session, cube, folder, 5 if quick else 15)
    p50 = {name: quantile(values, 0.5) for name, values in seconds.items()}
    ratio = p50["bare TCP"] / p50["in pieces"]
    goals.append(Goal("300 MB in pieces: rate of bare loopback TCP", ratio, _LEAST, at_most=False))
    rate = [
        (name, len(values), p50[name] * MILLI, min(values) * MILLI, cube.nbytes / p50[name] / 1e9)
        for name, values in seconds.items()
    ]
    columns = ("pipeline", "payload MB", "front end MB", "worker MB", "front end / payload", "worker / payload")
    return [
        Table("300 MB up, one band down", ("way", "n", "median ms", "min ms", "GB/s"), tuple(rate)),
        Table(
            "Peak memory above what the processes had before (VmHWM), inputs and outputs in pieces",
            columns,
            tuple(memory),
        ),
    ], goals


async def _peaks(server: Served, session: AsyncSession, cube: NDArray[Any]) -> dict[str, int]:
    small = cube[:, :8]
    await session.infer_chunked(cube=small)  # everything that is loaded once
    processes = {"front end": server.process_id, "worker": server.worker_ids()[-1]}
    before = {}
    for name, process_id in processes.items():
        reset_peak(process_id)
        before[name] = resident_bytes(process_id)
    await session.infer_chunked(cube=cube)
    return {name: peak_bytes(process_id) - before[name] for name, process_id in processes.items()}


async def _seconds(session: AsyncSession, cube: NDArray[Any], folder: Path, rounds: int) -> dict[str, list[float]]:
    seconds: dict[str, list[float]] = {"in pieces": [], "in one message": [], "bare TCP": []}
    data = cube.reshape(-1).view(np.uint8).data
    arguments = ["-m", "benchmarks.serving.sink", "{port_file}", str(cube.nbytes)]
    with served(arguments, folder, "sink") as sink:
        host, _, port = sink.address.rpartition(":")
        with socket.create_connection((host, int(port))) as connection:
            for number in range(rounds + 1):
                taken = {
                    "in pieces": await _timed_chunks(session, cube),
                    "bare TCP": await asyncio.to_thread(_timed_send, connection, data),
                }
                for name, value in taken.items() if number else ():
                    seconds[name].append(value)
    return {name: values for name, values in seconds.items() if values}


async def _timed_chunks(session: AsyncSession, cube: NDArray[Any]) -> float:
    begin = time.perf_counter()
    await session.infer_chunked(cube=cube)
    return time.perf_counter() - begin


def _timed_send(connection: socket.socket, data: memoryview) -> float:
    begin = time.perf_counter()
    for start in range(0, len(data), 1 << 20):
        connection.sendall(data[start : start + (1 << 20)])
    connection.recv(1)
    return time.perf_counter() - begin
