"""What a worker is asked while a run goes on: commands, times of nodes; and what a run hands over."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import pytest

from catenary_server.domain.checkpoint import Checkpoint
from catenary_server.domain.control import Applied, Command, ControlAction
from catenary_server.domain.failure import Failure, Reason
from catenary_server.domain.profiling import ProfilingChange
from catenary_server.domain.training import Stage, TrainStatus

if TYPE_CHECKING:
    from collections.abc import Callable

    from catenary_server.domain.training import TrainingJob
    from catenary_server.runtimes.process_worker import ProcessWorker

    MakeJob = Callable[..., TrainingJob]


async def test_commands_cross_and_their_effects_come_back(worker: ProcessWorker, job: MakeJob) -> None:
    run = worker.train(job(1, name="until stopped"))
    await anext(run)
    assert await worker.control(Command(ControlAction.PAUSE)) == Applied(7, 1.0, TrainStatus.PAUSED)
    with pytest.raises(Failure) as caught:
        await worker.control(Command(ControlAction.LEARNING_RATE, 0.5))
    assert caught.value.reason is Reason.COMMAND_INVALID
    await worker.stop_training()


async def test_times_are_asked_for_while_a_run_goes_on(worker: ProcessWorker, job: MakeJob) -> None:
    run = worker.train(job(1, name="until stopped"))
    await anext(run)
    assert await worker.set_profiling(ProfilingChange(enabled=True)) is True
    assert await worker.profile(None) == ()
    (times,) = await worker.profile(Stage.TRAIN)
    assert (times.node, times.stage, times.count) == ("echo", Stage.TRAIN, 1)
    await worker.stop_training()


@pytest.mark.parametrize("size", [10, 3 << 20])
async def test_checkpoints_cross_in_both_directions(worker: ProcessWorker, job: MakeJob, size: int) -> None:
    content = bytes(range(256)) * (size // 256 + 1)
    resumed = dataclasses.replace(job(1), checkpoint=memoryview(content))
    kept, *_, closing = [item async for item in worker.train(resumed)]
    assert isinstance(kept, Checkpoint)
    assert (kept.name, kept.epochs_done, bytes(kept.content)) == ("last", 1, content * 2)
    assert closing == "Training complete (1 epochs)"
