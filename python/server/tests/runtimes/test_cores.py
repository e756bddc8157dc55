"""How cores are divided, and that the threads of both processes keep to it, as the system sees them."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from catenary_server.runtimes.cores import FrontEndCores, Shares, confine_thread

if TYPE_CHECKING:
    from collections.abc import Callable

    from catenary_server.domain.training import TrainingJob
    from catenary_server.runtimes.process_worker import ProcessWorker

USABLE = frozenset(os.sched_getaffinity(0))
needs_two = pytest.mark.skipif(len(USABLE) < 2, reason="one core cannot be divided")


def _shares_of_threads(process_id: int) -> set[frozenset[int]]:
    found = set()
    for thread in Path(f"/proc/{process_id}/task").iterdir():
        with contextlib.suppress(ProcessLookupError):  # one that an earlier test left to end by itself
            found.add(frozenset(os.sched_getaffinity(int(thread.name))))
    return found


@pytest.mark.parametrize(
    ("cores", "wanted", "front_end", "training"),
    [
        ({0}, None, {0}, {0}),
        ({0, 1}, None, {0}, {1}),
        ({2, 5, 7}, None, {2}, {5, 7}),
        (range(16), None, {0, 1}, set(range(2, 16))),
        (range(4), 0, set(range(4)), set(range(4))),
        (range(4), 3, {0, 1, 2}, {3}),
        (range(4), 9, {0, 1, 2}, {3}),
    ],
)
def test_training_always_has_a_core(
    cores: set[int], wanted: int | None, front_end: set[int], training: set[int]
) -> None:
    assert Shares.of(cores, wanted) == Shares(frozenset(front_end), frozenset(training))


@needs_two
def test_the_front_end_keeps_to_its_share_until_the_last_run_ends() -> None:
    shares = Shares.of(USABLE)
    cores = FrontEndCores(shares)
    with cores.while_training():
        with cores.while_training():
            assert _shares_of_threads(os.getpid()) == {shares.front_end}
        assert _shares_of_threads(os.getpid()) == {shares.front_end}
    assert _shares_of_threads(os.getpid()) == {USABLE}


def test_cores_that_are_gone_confine_nothing() -> None:
    confine_thread({4095})
    assert frozenset(os.sched_getaffinity(0)) == USABLE


@needs_two
async def test_a_run_leaves_the_cores_of_the_front_end_alone(
    worker: ProcessWorker, job: Callable[[int], TrainingJob]
) -> None:
    shares = Shares.of(USABLE)
    async for _ in worker.train(job(3)):
        seen = _shares_of_threads(worker.process_id), _shares_of_threads(os.getpid())
        if seen[1] == {USABLE}:
            break  # the closing message: the run is over
        assert seen == ({USABLE, shares.training}, {shares.front_end})
    else:
        pytest.fail("the front end never got its cores back")
