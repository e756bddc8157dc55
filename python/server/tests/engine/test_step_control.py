from __future__ import annotations

import dataclasses
import queue
import threading
import time
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from trainruns import SMALL_DATA, loaded, run, small, with_training

from catenary_server.domain.control import Applied, Command, ControlAction
from catenary_server.domain.failure import Failure, Reason
from catenary_server.domain.training import OptimizerConfig, Phase, Stage, TrainingJob, TrainStatus
from catenary_server.engine.step_control import StepControl

if TYPE_CHECKING:
    from concurrent.futures import Future

    from catenary_server.domain.progress import Progress
    from catenary_server.domain.training import TrainRunConfig
    from catenary_server.engine.torch_engine import TorchEngine

DEADLINE = 30.0
PAUSE, RESUME = Command(ControlAction.PAUSE), Command(ControlAction.RESUME)


@pytest.fixture
def config(engine: TorchEngine) -> TrainRunConfig:
    """A Deep SVDD whose statistics are fitted."""
    config = loaded(engine, small("deep_svdd"))
    run(engine, Phase.STATISTICAL, config)
    return config


class Steered:
    """A run in a thread of its own; each report waits until the test has looked at it."""

    def __init__(self, engine: TorchEngine, config: TrainRunConfig, phase: Phase = Phase.GRADIENT) -> None:
        self.outcome: object = None
        self._reports: queue.Queue[Progress] = queue.Queue()
        self._looked = threading.Semaphore(0)
        self._thread = threading.Thread(target=self._train, args=(engine, TrainingJob(phase=phase, config=config)))
        self._thread.start()

    def _train(self, engine: TorchEngine, job: TrainingJob) -> None:
        try:
            self.outcome = engine.train(job, self._report)
        except Failure as failure:
            self.outcome = failure

    def _report(self, report: Progress) -> None:
        self._reports.put(report)
        assert self._looked.acquire(timeout=DEADLINE)

    def next(self) -> Progress:
        """The next report; the run goes on when it is asked for the one after, or released."""
        return self._reports.get(timeout=DEADLINE)

    def release(self, reports: int = 1) -> None:
        self._looked.release(reports)

    def finish(self) -> object:
        self.release(10_000)
        self._thread.join(DEADLINE)
        assert not self._thread.is_alive()
        return self.outcome

    def rest(self) -> list[Progress]:
        self.finish()
        return [self._reports.get_nowait() for _ in range(self._reports.qsize())]


def applied(answer: Future[Applied]) -> Applied:
    return answer.result(DEADLINE)


def refusal(answer: Future[Applied]) -> Failure:
    failure = answer.exception(DEADLINE)
    assert isinstance(failure, Failure)
    return failure


def test_a_pause_holds_the_run_between_two_steps_until_it_is_resumed(
    engine: TorchEngine, config: TrainRunConfig
) -> None:
    steered = Steered(engine, config)
    first = steered.next()
    pausing = engine.control(PAUSE)
    steered.release(2)
    paused = steered.next()
    assert applied(pausing) == Applied(1, TrainStatus.IN_PROGRESS, TrainStatus.PAUSED)
    assert (paused.status, paused.message) == (TrainStatus.PAUSED, "Paused after step 1")
    assert (paused.epoch, paused.batch_index, paused.global_step) == (first.epoch, first.batch_index, 1)
    assert (paused.losses, paused.metrics) == ({}, {})
    assert applied(engine.control(PAUSE)) == Applied(1, TrainStatus.PAUSED, TrainStatus.PAUSED)
    resuming = engine.control(RESUME)
    going_on = steered.next()
    steered.release()
    assert applied(resuming) == Applied(1, TrainStatus.PAUSED, TrainStatus.IN_PROGRESS)
    assert (going_on.status, going_on.global_step) == (TrainStatus.IN_PROGRESS, 1)
    rest = steered.rest()
    assert [report.global_step for report in rest if report.stage is Stage.TRAIN] == [2, 3, 4, 5, 6]
    assert steered.outcome == "Training complete (2 epochs)"


def test_a_paused_run_learns_the_same_as_one_that_was_not(engine: TorchEngine, config: TrainRunConfig) -> None:
    reports, _ = run(engine, Phase.GRADIENT, config)
    run(engine, Phase.STATISTICAL, loaded(engine, config))
    steered = Steered(engine, config)
    seen = [steered.next()]
    pausing = engine.control(PAUSE)
    steered.release(2)
    assert steered.next().status is TrainStatus.PAUSED
    applied(pausing)
    engine.control(RESUME)
    seen += steered.rest()
    losses = [report.losses for report in seen if report.losses]
    assert losses == [report.losses for report in reports]


def test_a_paused_run_is_stopped_without_another_step(engine: TorchEngine, config: TrainRunConfig) -> None:
    steered = Steered(engine, config)
    steered.next()
    pausing = engine.control(PAUSE)
    steered.release(2)
    steered.next()
    applied(pausing)
    assert engine.stop_training()
    assert steered.rest() == []
    assert isinstance(steered.outcome, Failure)
    assert steered.outcome.reason is Reason.TRAIN_CANCELLED


def test_a_learning_rate_is_used_from_the_next_step_on(engine: TorchEngine, config: TrainRunConfig) -> None:
    base = config.training.optimizer.lr
    steered = Steered(engine, config)
    steered.next()
    answer = engine.control(Command(ControlAction.LEARNING_RATE, 0.25))
    rest = steered.rest()
    assert applied(answer) == Applied(1, base, 0.25)
    assert [report.learning_rate for report in rest if report.stage is Stage.TRAIN] == [0.25] * 5


def test_a_step_with_a_changed_learning_rate_is_the_step_of_that_rate(
    engine: TorchEngine, config: TrainRunConfig
) -> None:
    """SGD without momentum moves a weight by rate times gradient, so ten times the rate moves it ten times as far."""
    plain = with_training(config, optimizer=OptimizerConfig(name="sgd", lr=0.01), max_epochs=1)
    plain = dataclasses.replace(plain, data=dataclasses.replace(SMALL_DATA, batch_size=5))

    def weights_after_a_second_step(rate: float) -> np.ndarray[Any, Any]:
        run(engine, Phase.STATISTICAL, loaded(engine, plain))
        steered = Steered(engine, plain)
        steered.next()
        answer = engine.control(Command(ControlAction.LEARNING_RATE, rate))
        steered.finish()
        applied(answer)
        return _projection(engine)

    start = weights_after_a_second_step(1e-12)
    near, far = (weights_after_a_second_step(rate) - start for rate in (1.0, 10.0))
    np.testing.assert_allclose(near * 10, far, rtol=1e-3, atol=np.abs(far).max() * 1e-3)
    assert np.abs(near).max() > 0


def _projection(engine: TorchEngine) -> np.ndarray[Any, Any]:
    assert engine._serving is not None
    return engine._serving.node("projection").get_parameter("weight").detach().double().numpy().copy()


@pytest.mark.parametrize("workers", [0, 1])
def test_a_batch_size_is_used_from_the_next_batch_on_and_every_tile_is_seen_once(
    engine: TorchEngine, config: TrainRunConfig, workers: int
) -> None:
    assert config.data is not None
    config = dataclasses.replace(config, data=dataclasses.replace(config.data, num_workers=workers))
    seen: list[int] = []
    steered = Steered(engine, config)
    first = steered.next()
    assert (first.batches_done, first.batches_total) == (1, 3)
    answer = engine.control(Command(ControlAction.BATCH_SIZE, 1))
    rest = [report for report in steered.rest() if report.stage is Stage.TRAIN]
    assert applied(answer) == Applied(1, 3, 1)
    seen = [report.batches_done for report in rest if report.epoch == 0]
    assert seen == [2, 3, 4, 5, 6, 7]  # 9 tiles: 3 were in the first batch
    assert {report.batches_total for report in rest if report.epoch == 0} == {7}
    assert [report.batches_done for report in rest if report.epoch == 1] == list(range(1, 10))
    assert steered.outcome == "Training complete (2 epochs)"


def test_a_larger_batch_size_ends_the_epoch_sooner(engine: TorchEngine, config: TrainRunConfig) -> None:
    steered = Steered(engine, config)
    steered.next()
    engine.control(Command(ControlAction.BATCH_SIZE, 100))
    rest = steered.rest()
    places = [(report.stage, report.epoch, report.batches_done) for report in rest]
    assert places == [
        (Stage.TRAIN, 0, 2),
        (Stage.VALIDATE, 0, 0),
        (Stage.TRAIN, 1, 1),
        (Stage.VALIDATE, 1, 0),
    ]


def test_a_statistical_phase_pauses_and_has_nothing_to_set(engine: TorchEngine) -> None:
    config = loaded(engine, small("rx"))
    steered = Steered(engine, config, Phase.STATISTICAL)
    assert steered.next().message.startswith("Initializing")
    steered.release()
    steered.next()
    rate = engine.control(Command(ControlAction.LEARNING_RATE, 0.1))
    size = engine.control(Command(ControlAction.BATCH_SIZE, 2))
    pausing = engine.control(PAUSE)
    steered.release(2)
    assert steered.next().status is TrainStatus.PAUSED
    assert [refusal(answer).reason for answer in (rate, size)] == [Reason.COMMAND_INVALID] * 2
    assert applied(pausing).step == 1
    engine.control(RESUME)
    assert steered.finish() == "Statistical training complete"


@pytest.mark.parametrize(
    "command",
    [
        Command(ControlAction.LEARNING_RATE, 0),
        Command(ControlAction.LEARNING_RATE, float("nan")),
        Command(ControlAction.LEARNING_RATE, 11),
        Command(ControlAction.LEARNING_RATE),
        Command(ControlAction.BATCH_SIZE, 0),
        Command(ControlAction.BATCH_SIZE, 1.5),
        Command(ControlAction.BATCH_SIZE, 5000),
        Command(ControlAction.PAUSE, 1),
    ],
)
def test_an_argument_out_of_bounds_is_refused_and_changes_nothing(
    engine: TorchEngine, config: TrainRunConfig, command: Command
) -> None:
    steered = Steered(engine, config)
    steered.next()
    answer = engine.control(command)
    rest = steered.rest()
    assert refusal(answer).reason is Reason.COMMAND_INVALID
    assert {report.learning_rate for report in rest} == {config.training.optimizer.lr}
    assert max(report.global_step for report in rest) == 6


def test_without_a_run_nobody_obeys(engine: TorchEngine, config: TrainRunConfig) -> None:
    assert refusal(engine.control(PAUSE)).reason is Reason.STATE_INVALID
    run(engine, Phase.GRADIENT, config)
    assert refusal(engine.control(PAUSE)).reason is Reason.STATE_INVALID
    assert not engine.stop_training()


def test_what_a_run_does_not_hear_any_more_is_refused(engine: TorchEngine, config: TrainRunConfig) -> None:
    steered = Steered(engine, config)
    steered.next()
    engine.stop_training()
    answer = engine.control(RESUME)
    steered.finish()
    assert refusal(answer).reason is Reason.STATE_INVALID


def test_a_pause_does_not_outlive_its_run(engine: TorchEngine, config: TrainRunConfig) -> None:
    steered = Steered(engine, config)
    steered.next()
    pausing = engine.control(PAUSE)
    steered.release(2)
    steered.next()
    applied(pausing)
    engine.stop_training()
    steered.finish()
    assert run(engine, Phase.GRADIENT, config)[1] == "Training complete (2 epochs)"


def test_a_command_that_expired_before_the_boundary_is_refused_and_changes_nothing() -> None:
    control, announced = StepControl(), list[TrainStatus]()
    with control.running():
        late = control.submit(Command(ControlAction.PAUSE, expire_time=0.0))
        in_time = control.submit(Command(ControlAction.RESUME, expire_time=time.time() + DEADLINE))
        control.at_boundary(3, announced.append)
    with pytest.raises(Failure) as refused:
        late.result(DEADLINE)
    assert refused.value.reason is Reason.COMMAND_EXPIRED
    assert in_time.result(DEADLINE).step == 3
    assert announced == []
