"""Sessions: how soon a worker is ready, what it weighs, and what the way to it and back costs.

A session gets its process when it loads a pipeline, so the time from there to a loaded pipeline is what a client waits.
The same worker started by `spawn`, which imports torch each time, is the yardstick.
"""

from __future__ import annotations

import asyncio
import re
import time
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from benchmarks.report import Goal, Report, Table, quantile
from catenary_server.domain.pipeline import NodeConfig, PipelineConfig
from catenary_server.domain.tensor import Tensor
from catenary_server.runtimes import ProcessRuntime

if TYPE_CHECKING:
    from catenary_server.runtimes.process_worker import ProcessWorker

PIPELINE = PipelineConfig(nodes=(NodeConfig(name="normalizer", class_name="MinMaxNormalizer"),))
_SIZES = (("1 KB", 1 << 10, 1000), ("1 MB", 1 << 20, 300), ("64 MB", 64 << 20, 20))
_MILLI = 1e3
_MEGA = 1e6


def run(*, quick: bool) -> Report:
    """Measure start-up, memory and echo latency."""
    return asyncio.run(_run(quick=quick))


async def _run(*, quick: bool) -> Report:
    forked, private, boot = await _starts("forkserver", 20 if quick else 60)
    spawned, spawned_private, _ = await _starts("spawn", 3 if quick else 7)
    ratio = quantile(spawned, 0.5) / quantile(forked, 0.5)
    starts = Table(
        "LoadPipeline to pipeline loaded in a fresh worker, and the worker's idle private memory",
        ("start", "n", "median ms", "p90 ms", "min ms", "private MB"),
        (
            ("forkserver", len(forked), *_figures(forked), quantile(private, 0.5) / _MEGA),
            ("spawn", len(spawned), *_figures(spawned), quantile(spawned_private, 0.5) / _MEGA),
        ),
    )
    once = Table("Once per server", ("", "seconds"), (("forkserver imports everything", boot),))
    goals = (
        Goal("worker ready through the forkserver, median ms", quantile(forked, 0.5) * _MILLI, 60),
        Goal("spawn / forkserver, medians", ratio, 25, at_most=False),
        Goal("idle private memory, median MB", quantile(private, 0.5) / _MEGA, 12),
    )
    return Report("sessions", (once, starts, await _echo(quick=quick)), goals)


async def _starts(method: Literal["forkserver", "spawn"], count: int) -> tuple[list[float], list[float], float]:
    """Seconds to a loaded pipeline and private bytes of each worker, and seconds that the runtime took to start."""
    runtime = ProcessRuntime(start_method=method)
    begin = time.perf_counter()
    await runtime.start()
    boot = time.perf_counter() - begin
    seconds: list[float] = []
    workers: list[ProcessWorker] = []
    for _ in range(count):
        begin = time.perf_counter()
        worker = await runtime.start_worker(device="cpu", on_lost=_lost)
        await worker.load_pipeline(PIPELINE)
        seconds.append(time.perf_counter() - begin)
        workers.append(worker)
    private = [_private_bytes(worker.process_id) for worker in workers]
    await runtime.close()
    return seconds, private, boot


async def _echo(*, quick: bool) -> Table:
    runtime = ProcessRuntime(engine="benchmarks.echo_engine:build_engine")
    await runtime.start()
    worker = await runtime.start_worker(device="cpu", on_lost=_lost)
    rows = []
    for name, nbytes, repetitions in _SIZES:
        inputs = {"cube": Tensor.of(np.full(nbytes, 7, np.uint8))}
        first = await _round_trip(worker, inputs)
        seconds = [await _round_trip(worker, inputs) for _ in range(repetitions // (4 if quick else 1))]
        rows.append((name, len(seconds), *_figures(seconds), first * _MILLI))
    await runtime.close()
    return Table(
        "Inference of an identity in a worker: tensor there and back",
        ("tensor", "n", "median ms", "p90 ms", "min ms", "first ms"),
        tuple(rows),
    )


async def _round_trip(worker: ProcessWorker, inputs: dict[str, Tensor]) -> float:
    begin = time.perf_counter()
    await worker.infer(inputs, ())
    return time.perf_counter() - begin


def _figures(seconds: list[float]) -> tuple[float, float, float]:
    return quantile(seconds, 0.5) * _MILLI, quantile(seconds, 0.9) * _MILLI, min(seconds) * _MILLI


def _private_bytes(process_id: int) -> float:
    """Memory that only this process has: what one more session costs."""
    rollup = Path(f"/proc/{process_id}/smaps_rollup").read_text()
    return 1024.0 * sum(int(kilobytes) for kilobytes in re.findall(r"^Private_\w+:\s+(\d+) kB", rollup, re.MULTILINE))


def _lost(failure: Exception) -> None:
    raise failure
