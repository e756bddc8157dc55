"""A front end to be killed or to fail: `python -c 'import many_workers; many_workers.wait(20)'`."""

from __future__ import annotations

import asyncio
import json

from catenary_server.runtimes import ProcessRuntime


async def _start(count: int) -> ProcessRuntime:
    runtime = ProcessRuntime(engine="small_engine:build_engine", preload=())
    await runtime.start()
    workers = [await runtime.start_worker(device="cpu", on_lost=lambda _: None) for _ in range(count)]
    print(json.dumps([worker.process_id for worker in workers]), flush=True)  # noqa: T201 - for the test to read
    return runtime


async def _wait(count: int) -> None:
    runtime = await _start(count)
    await asyncio.Event().wait()
    await runtime.close()


async def _crash(count: int) -> None:
    await _start(count)
    raise RuntimeError("a front end that never closes its runtime")


def wait(count: int) -> None:
    """Start workers, print their process ids, and wait to be killed."""
    asyncio.run(_wait(count))


def crash(count: int) -> None:
    """Start workers, print their process ids, and end with an exception."""
    asyncio.run(_crash(count))
