from __future__ import annotations

import asyncio
import json
import multiprocessing
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import numpy as np
import pytest
import uvloop

from catenary_server.domain.failure import Failure, Reason
from catenary_server.domain.node import NodeCategory
from catenary_server.domain.tensor import Tensor
from catenary_server.runtimes import ProcessRuntime

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from catenary_server.domain.runtime import Runtime

    Gone = Callable[[list[int]], bool]


def program(code: str, engines: Path) -> subprocess.Popen[str]:
    environment = dict(os.environ, PYTHONPATH=str(engines))
    return subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    )


@pytest.fixture
def engines(request: pytest.FixtureRequest) -> Path:
    return request.path.parent / "engines"


async def refusal(runtime: ProcessRuntime, device: str) -> Failure:
    with pytest.raises(Failure) as caught:
        await runtime.start_worker(device=device, on_lost=lambda _: pytest.fail("lost"))
    return caught.value


async def test_start_tells_what_workers_can_do() -> None:
    runtime = ProcessRuntime(engine="small_engine:build_engine", preload=())
    catalog = await runtime.start()
    await runtime.close()
    assert catalog.nodes["Echo"].category is NodeCategory.TRANSFORM
    assert [device.name for device in catalog.devices] == ["cpu", "cuda:0", "cuda:1"]


async def test_workers_are_spread_over_the_accelerators_and_told_their_device(runtime: ProcessRuntime) -> None:
    devices = []
    for _ in range(4):
        worker = await runtime.start_worker(device="auto", on_lost=lambda _: None)
        with pytest.raises(Failure) as caught:
            await worker.infer({}, ("device",))
        devices.append(caught.value.message)
    assert devices == ["cuda:0", "cuda:1", "cuda:0", "cuda:1"]


async def test_a_closed_worker_makes_room_on_its_device(runtime: ProcessRuntime) -> None:
    first = await runtime.start_worker(device="auto", on_lost=lambda _: None)
    await runtime.start_worker(device="auto", on_lost=lambda _: None)
    await first.close()
    worker = await runtime.start_worker(device="auto", on_lost=lambda _: None)
    with pytest.raises(Failure, match="cuda:0"):
        await worker.infer({}, ("device",))


async def test_an_unknown_device_is_refused(runtime: ProcessRuntime) -> None:
    assert (await refusal(runtime, "cuda:9")).reason is Reason.DEVICE_INVALID


async def test_an_engine_that_refuses_its_device_leaves_no_process() -> None:
    runtime = ProcessRuntime(engine="small_engine:refuse_device", preload=())
    await runtime.start()
    failure = await refusal(runtime, "cuda:1")
    assert (failure.reason, failure.message) == (Reason.DEVICE_UNAVAILABLE, "cuda:1 is gone")
    assert multiprocessing.active_children() == []
    await runtime.close()


async def test_an_engine_that_cannot_be_imported_is_a_bug_and_said_so(caplog: pytest.LogCaptureFixture) -> None:
    runtime = ProcessRuntime(engine="no_such_engine:build", preload=())
    with pytest.raises(Failure) as caught:
        await runtime.start()
    await runtime.close()
    assert caught.value.reason is Reason.INTERNAL_BUG
    assert "no_such_engine" in caplog.text


async def test_close_ends_every_worker_and_starts_no_more(runtime: ProcessRuntime) -> None:
    workers = [await runtime.start_worker(device="cpu", on_lost=lambda _: None) for _ in range(3)]
    await runtime.close()
    for worker in workers:
        with pytest.raises(ProcessLookupError):
            os.kill(worker.process_id, 0)
    assert (await refusal(runtime, "cpu")).reason is Reason.DRAINING


async def test_a_cancelled_start_leaves_no_process(runtime: ProcessRuntime) -> None:
    for turns in range(30):
        start = asyncio.create_task(runtime.start_worker(device="cpu", on_lost=lambda _: None))
        for _ in range(turns):
            await asyncio.sleep(0)
        start.cancel()
        with pytest.raises(asyncio.CancelledError):
            await start
    assert multiprocessing.active_children() == []


async def test_many_workers_can_be_started_at_once(runtime: ProcessRuntime) -> None:
    workers = await asyncio.gather(*(runtime.start_worker(device="cpu", on_lost=lambda _: None) for _ in range(10)))
    answers = await asyncio.gather(*(worker.infer({}, ()) for worker in workers))
    assert [answer.metrics["pid"] for answer in answers] == [worker.process_id for worker in workers]


async def test_spawned_workers_do_the_same() -> None:
    runtime: Runtime = ProcessRuntime(engine="small_engine:build_engine", preload=(), start_method="spawn")
    await runtime.start()
    worker = await runtime.start_worker(device="cpu", on_lost=lambda _: None)
    assert (await worker.infer({}, ())).metrics["pid"] == worker.process_id
    await runtime.close()


def test_it_works_on_uvloop() -> None:
    async def exercise() -> None:
        runtime = ProcessRuntime(engine="small_engine:build_engine", preload=())
        await runtime.start()
        losses: list[Failure] = []
        worker = await runtime.start_worker(device="cpu", on_lost=losses.append)
        cube = Tensor.of(np.arange(1 << 20, dtype=np.int32))
        assert bytes((await worker.infer({"cube": cube}, ())).outputs["echo.cube"].data) == bytes(cube.data)
        with pytest.raises(Failure, match="exit code 4"):
            await worker.infer({}, ("exit=4",))
        assert len(losses) == 1
        await runtime.close()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(exercise())


def test_all_workers_die_with_a_front_end_that_is_killed_even_those_that_hang(engines: Path, gone: Gone) -> None:
    with program("import many_workers; many_workers.wait(20)", engines) as front_end:
        assert front_end.stdout is not None
        workers = json.loads(front_end.stdout.readline())
        for worker in workers[:10]:
            os.kill(worker, signal.SIGSTOP)
        front_end.kill()
        assert len(workers) == 20
        assert gone(workers)


def test_a_front_end_that_fails_ends_with_its_workers(engines: Path, gone: Gone) -> None:
    with program("import many_workers; many_workers.crash(2)", engines) as front_end:
        output, errors = front_end.communicate(timeout=60)
        assert "never closes its runtime" in errors
        assert front_end.returncode == 1
        assert gone(json.loads(output))


def test_workers_get_no_secrets_of_the_environment(engines: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "s3cret")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    code = "import many_workers; many_workers.wait(1)"
    with program(code, engines) as front_end:
        assert front_end.stdout is not None
        (worker,) = json.loads(front_end.stdout.readline())
        with open(f"/proc/{worker}/environ") as file:  # noqa: PTH123 - /proc is no ordinary path
            variables = file.read()
        front_end.kill()
    assert "OMP_NUM_THREADS=1" in variables
    assert "s3cret" not in variables


def test_the_front_end_does_not_import_torch() -> None:
    code = "import sys, catenary_server.runtimes; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_importing_the_runtimes_leaves_the_process_alone() -> None:
    code = "import gc, sys, catenary_server.runtimes; sys.exit(gc.get_freeze_count() != 0)"
    subprocess.run([sys.executable, "-c", code], check=True)
