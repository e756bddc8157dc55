"""What a worker process may use, as the system sees it; and what becomes of one that stands still."""

from __future__ import annotations

import asyncio
import os
import resource
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from catenary_server.domain.failure import Failure, Reason
from catenary_server.runtimes import ProcessRuntime
from catenary_server.runtimes.confines import OPEN_FILES

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from catenary_server.runtimes.process_worker import ProcessWorker

ENGINE = "small_engine:build_engine"
MEBIBYTE = 1 << 20
LONG = 100.0
"""Seconds that no worker takes to answer."""


@pytest.fixture
async def bounded() -> AsyncIterator[ProcessRuntime]:
    """Workers with little memory."""
    runtime = ProcessRuntime(engine=ENGINE, preload=(), memory_bytes=900 * MEBIBYTE)
    await runtime.start()
    yield runtime
    await runtime.close()


@pytest.fixture
async def impatient() -> AsyncIterator[ProcessRuntime]:
    """Workers that may stand still for a moment only; one that has to wait for a processor has the time to."""
    runtime = ProcessRuntime(engine=ENGINE, preload=(), patience_seconds=3.0)
    await runtime.start()
    yield runtime
    await runtime.close()


def _place_of(worker: ProcessWorker) -> Path:
    return Path(f"/proc/{worker.process_id}/cwd").readlink()


async def test_a_worker_works_in_a_folder_of_its_own_which_goes_with_it(
    worker: ProcessWorker, runtime: ProcessRuntime
) -> None:
    other = await runtime.start_worker(device="cpu", on_lost=lambda _: None)
    folders = [_place_of(each) for each in (worker, other)]
    assert folders[0] != folders[1]
    assert folders[0].parent == folders[1].parent
    assert folders[0].parent.name.startswith("catenary-workers-")
    assert folders[0] != Path.cwd()
    await worker.close()
    while folders[0].exists():  # noqa: ASYNC110 - it is removed in a thread, which tells nobody
        await asyncio.sleep(0)
    assert folders[1].exists()
    await runtime.close()
    assert not folders[1].parent.exists()


async def test_a_worker_leaves_no_core_and_has_a_bound_of_descriptors(worker: ProcessWorker) -> None:
    assert resource.prlimit(worker.process_id, resource.RLIMIT_CORE) == (0, 0)
    files = resource.prlimit(worker.process_id, resource.RLIMIT_NOFILE)
    assert files[0] == files[1] <= OPEN_FILES
    assert resource.prlimit(worker.process_id, resource.RLIMIT_DATA) == resource.getrlimit(resource.RLIMIT_DATA)


async def test_private_memory_is_bounded_where_the_operator_says_so(bounded: ProcessRuntime) -> None:
    worker = await bounded.start_worker(device="cpu", on_lost=lambda _: None)
    limit = resource.prlimit(worker.process_id, resource.RLIMIT_DATA)
    assert limit == (900 * MEBIBYTE, 900 * MEBIBYTE)


async def test_a_worker_that_stands_still_while_someone_waits_is_ended_as_hung(impatient: ProcessRuntime) -> None:
    lost: list[Failure] = []
    worker = await impatient.start_worker(device="cpu", on_lost=lost.append)
    other = await impatient.start_worker(device="cpu", on_lost=lost.append)
    os.kill(worker.process_id, signal.SIGSTOP)
    with pytest.raises(Failure) as caught:
        await worker.infer({}, ())
    assert caught.value.reason is Reason.WORKER_HUNG
    assert [failure.reason for failure in lost] == [Reason.WORKER_HUNG]
    with pytest.raises(Failure) as caught:
        await worker.infer({}, ())
    assert caught.value.reason is Reason.WORKER_HUNG
    assert (await other.infer({}, ())).metrics["pid"] == other.process_id


async def test_a_worker_that_works_for_long_is_not_taken_for_hung(worker: ProcessWorker, tmp_path: Path) -> None:
    """Its questions are answered in a thread of their own: five of them, while an inference waits."""
    gate = tmp_path / "gate"
    inference = asyncio.create_task(worker.infer({}, (f"wait for file={gate}",)))
    while worker._ping is None:  # nobody asks before the inference is on its way
        await asyncio.sleep(0)
        await worker.check_hung(LONG)
    for _ in range(5):
        await worker._ping
        await worker.check_hung(LONG)
    gate.touch()
    assert (await inference).metrics["pid"] == worker.process_id
