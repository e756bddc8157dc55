"""Unary inference of an identity, against a bare echo of the same bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.inference_rows.calls import INFERENCE, MILLI, alternate, channel, cube_of, inference_request, sender
from benchmarks.report import Goal, Table, quantile
from benchmarks.serving.echo import PATH
from benchmarks.serving.processes import served

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.serving.processes import Served
    from catenary_client import AsyncClient

_SIZES = (("1 KB", 1 << 10, 1000), ("1 MB", 1 << 20, 300), ("16 MB", 16 << 20, 40))
_AIMS = {"1 MB": 0.85}


async def measure(server: Served, client: AsyncClient, folder: Path, *, quick: bool) -> tuple[Table, list[Goal]]:
    """Latencies of both, and their ratio."""
    rows, goals = [], []
    with served(["-m", "benchmarks.serving.echo", "{port_file}"], folder, "echo") as echo:
        async with (
            await client.create_session() as session,
            channel(server.address) as ours,
            channel(echo.address) as bare,
        ):
            await session.load_pipeline({"nodes": [{"name": "same", "class_name": "Identity"}]})
            for name, nbytes, rounds in _SIZES:
                request = inference_request(session.session_id, cube_of(nbytes))
                calls = {"ours": sender(ours, INFERENCE, request), "bare": sender(bare, PATH, request)}
                seconds = await alternate(calls, rounds // (4 if quick else 1))
                p50 = {each: quantile(values, 0.5) for each, values in seconds.items()}
                ratio = p50["bare"] / p50["ours"]
                p99 = quantile(seconds["ours"], 0.99)
                rows.append((name, len(seconds["ours"]), p50["ours"] * MILLI, p99 * MILLI, p50["bare"] * MILLI, ratio))
                if name in _AIMS:
                    goals.append(
                        Goal(f"identity in a worker, {name}: rate of a bare echo", ratio, _AIMS[name], at_most=False)
                    )
    columns = ("tensor", "n", "ours ms", "ours p99 ms", "bare echo ms", "echo / ours")
    return Table(
        "Unary inference of an identity in a worker, against a bare grpc.aio echo", columns, tuple(rows)
    ), goals
