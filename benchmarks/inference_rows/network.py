"""A small network per pixel, against KServe's gRPC server, which runs in an environment of its own."""

from __future__ import annotations

import asyncio
import socket
import time
from typing import TYPE_CHECKING

import grpc
import numpy as np

from benchmarks.inference_rows.calls import INFERENCE, MILLI, alternate, channel, inference_request, sender
from benchmarks.peers import environments
from benchmarks.report import Goal, Table, quantile
from benchmarks.serving.processes import REPOSITORY, START_SECONDS, NotStarted, served

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from benchmarks.serving.processes import Served
    from catenary_client import AsyncClient

_PATH = "/inference.GRPCInferenceService/ModelInfer"
_SHAPE = (1, 64, 64, 61)


async def measure(server: Served, client: AsyncClient, folder: Path, *, quick: bool) -> tuple[Table, list[Goal]]:
    """Requests per second of one client, of ours and of KServe."""
    rounds = 100 if quick else 400
    cube = np.random.default_rng(0).random(_SHAPE, np.float32)
    async with await client.create_session() as session, channel(server.address) as ours:
        await session.load_pipeline({"nodes": [{"name": "net", "class_name": "PixelNetwork"}]})
        calls = {"ours": sender(ours, INFERENCE, inference_request(session.session_id, cube))}
        try:
            python, missing = str(environments.python("kserve", borrowing=True)), ""
        except environments.NotRun as error:
            missing = f" (no KServe: {error})"
            seconds = await alternate(calls, rounds)
        else:
            seconds = await _against_kserve(calls, python, folder, rounds)
    rows = [
        (name, len(values), 1 / quantile(values, 0.5), quantile(values, 0.5) * MILLI, quantile(values, 0.99) * MILLI)
        for name, values in seconds.items()
    ]
    goals = []
    if "KServe" in seconds:
        ratio = quantile(seconds["KServe"], 0.5) / quantile(seconds["ours"], 0.5)
        goals.append(Goal("network 61-64-1: rate of KServe's gRPC", ratio, 1.3, at_most=False))
    title = "Network 61-64-1 on a cube of 1x64x64x61"
    return Table(title + missing, ("server", "n", "req/s", "median ms", "p99 ms"), tuple(rows)), goals


async def _against_kserve(
    calls: dict[str, Callable[[], Awaitable[bytes]]], python: str, folder: Path, rounds: int
) -> dict[str, list[float]]:
    port, request = _free_port(), folder / "kserve.request"
    script = str(REPOSITORY / "benchmarks" / "serving" / "kserve_model.py")
    with served([script, str(port), str(request), "{port_file}"], folder, "kserve", python=python) as kserve:
        async with channel(kserve.address) as theirs:
            call = sender(theirs, _PATH, request.read_bytes())
            await _answering(call)
            return await alternate({**calls, "KServe": call}, rounds)


async def _answering(call: Callable[[], Awaitable[bytes]]) -> None:
    end = time.monotonic() + START_SECONDS
    while True:
        try:
            await call()
        except grpc.aio.AioRpcError as error:
            if time.monotonic() > end:
                raise NotStarted(error.details()) from error
            await asyncio.sleep(0.2)
        else:
            return


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])
