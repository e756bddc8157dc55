from __future__ import annotations

import asyncio
import os
import signal
import socket
from typing import TYPE_CHECKING, cast

import pytest

from catenary_server.domain.failure import Failure, Reason
from catenary_server.domain.progress import Progress
from catenary_server.domain.training import EvaluationJob, Stage, TrainingJob, TrainRunConfig
from catenary_server.runtimes.blocks import IncomingBlocks, OutgoingBlocks
from catenary_server.runtimes.frames import Framing
from catenary_server.runtimes.line import Line
from catenary_server.runtimes.messages import REPORT_WINDOW, Method
from catenary_server.runtimes.run import Run

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

    from catenary_server.domain.pipeline import PipelineConfig
    from catenary_server.domain.runtime import Engine
    from catenary_server.runtimes.process_worker import ProcessWorker

    MakeJob = Callable[..., TrainingJob]


async def reported(worker: ProcessWorker) -> float:
    return (await worker.infer({}, ())).metrics["reported"]


async def test_reports_arrive_in_order_and_the_closing_message_last(worker: ProcessWorker, job: MakeJob) -> None:
    *reports, closing = [item async for item in worker.train(job(1000))]
    assert [cast("Progress", report).epoch for report in reports] == list(range(1000))
    assert closing == "Training complete (1000 epochs)"


async def test_an_evaluation_reports_its_metrics(worker: ProcessWorker) -> None:
    job = EvaluationJob(stage=Stage.TEST, config=TrainRunConfig(name="e"))
    report, closing = [item async for item in worker.evaluate(job)]
    assert isinstance(report, Progress)
    assert (report.stage, report.metrics) == (Stage.TEST, {"iou": 0.5})
    assert closing == "Evaluation complete"


async def test_everything_else_answers_while_a_run_goes_on_and_stop_ends_it(
    worker: ProcessWorker, job: MakeJob, pipeline: Callable[[str], PipelineConfig]
) -> None:
    run = worker.train(job(1, name="until stopped"))
    await anext(run)
    await worker.load_pipeline(pipeline("p"))
    assert (await worker.infer({}, ())).metrics["loaded"] == 1
    assert await worker.stop_training() is True
    with pytest.raises(Failure) as caught:
        await anext(run)
    assert caught.value.reason is Reason.TRAIN_CANCELLED
    assert await worker.stop_training() is False


async def test_a_run_waits_for_a_slow_reader(worker: ProcessWorker, job: MakeJob) -> None:
    run = worker.train(job(REPORT_WINDOW * 3))
    await anext(run)
    while await reported(worker) <= REPORT_WINDOW:
        pass
    for _ in range(50):
        assert await reported(worker) == REPORT_WINDOW + 1
    rest = [item async for item in run]
    assert len(rest) == REPORT_WINDOW * 3


async def test_leaving_the_reports_does_not_stop_the_run(worker: ProcessWorker, job: MakeJob) -> None:
    run = cast("AsyncGenerator[Progress | str]", worker.train(job(REPORT_WINDOW * 3)))
    await anext(run)
    await run.aclose()
    while await reported(worker) < REPORT_WINDOW * 3:
        pass
    assert [item async for item in worker.train(job(1))][-1] == "Training complete (1 epochs)"


async def test_a_worker_killed_during_training_fails_the_run(
    worker: ProcessWorker, job: MakeJob, losses: list[Failure]
) -> None:
    run = worker.train(job(1, name="until stopped"))
    await anext(run)
    os.kill(worker.process_id, signal.SIGKILL)
    with pytest.raises(Failure, match="SIGKILL") as caught:
        await anext(run)
    assert caught.value.reason is Reason.WORKER_CRASHED
    assert len(losses) == 1


async def test_what_a_run_said_before_it_crashed_still_arrives(
    worker: ProcessWorker, job: MakeJob, losses: list[Failure]
) -> None:
    run = worker.train(job(100, name="die"))
    for epoch in range(100):
        assert cast("Progress", await anext(run)).epoch == epoch
    with pytest.raises(Failure, match="SIGSEGV"):
        await anext(run)
    assert "SIGSEGV" in losses[0].message


async def test_closing_during_a_run_ends_it(worker: ProcessWorker, job: MakeJob, losses: list[Failure]) -> None:
    run = worker.train(job(1, name="until stopped"))
    await anext(run)
    reading = asyncio.ensure_future(anext(run))
    await asyncio.sleep(0)
    await worker.close()
    with pytest.raises(Failure) as caught:
        await reading
    assert caught.value.reason is Reason.SESSION_CLOSING
    assert losses == []


class NeverAsked:
    """An engine that must not be asked to train."""

    def stop_training(self) -> bool:
        return False


def test_a_run_stopped_before_it_began_never_begins(job: MakeJob) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        line = Line(ours, Framing(OutgoingBlocks(0), IncomingBlocks(writable=False, populate=False)))
        run = Run(1, line, cast("Engine", NeverAsked()))
        run.stop()
        with pytest.raises(Failure) as caught:
            run.perform(Method.TRAIN, job())
    assert caught.value.reason is Reason.TRAIN_CANCELLED
