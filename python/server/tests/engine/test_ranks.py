from __future__ import annotations

import dataclasses
import os
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import safetensors.torch
import torch
from trainruns import SMALL_DATA, loaded, run, small, with_training

from catenary_server.domain.control import Applied, Command, ControlAction
from catenary_server.domain.failure import Failure, Reason
from catenary_server.domain.training import OptimizerConfig, Phase, Stage, TrainingJob
from catenary_server.engine.ranks import RankTask, choose_devices, helped
from catenary_server.engine.scene_batches import Share, open_batches
from catenary_server.nodes.catalog import built_in_types

if TYPE_CHECKING:
    from concurrent.futures import Future

    from catenary_server.domain.progress import Progress
    from catenary_server.domain.training import TrainRunConfig
    from catenary_server.engine.torch_engine import TorchEngine

PLAIN = OptimizerConfig(name="sgd", lr=0.05)

needs_two_cores = pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="needs two processor cores")


@pytest.fixture
def config() -> TrainRunConfig:
    """A Deep SVDD on batches of four equal tiles, each of which two processes share equally."""
    data = dataclasses.replace(SMALL_DATA, tile_size=12, batch_size=4)
    config = dataclasses.replace(small("deep_svdd"), data=data)
    return with_training(config, optimizer=PLAIN, accelerator="cpu")


def losses(reports: list[Progress]) -> list[float]:
    return [report.losses["deep_svdd_loss"] for report in reports if report.stage is Stage.TRAIN]


def children() -> set[str]:
    return set(Path(f"/proc/self/task/{os.getpid()}/children").read_text().split())


@needs_two_cores
@pytest.mark.slow
def test_two_processes_learn_what_one_learns_and_are_gone_afterwards(
    engine: TorchEngine, config: TrainRunConfig
) -> None:
    loaded(engine, config)
    run(engine, Phase.STATISTICAL, config)
    start = engine.dump_weights()
    alone, _ = run(engine, Phase.GRADIENT, config)
    expected = safetensors.torch.load(engine.dump_weights())
    engine.load_weights(memoryview(start), strict=True)
    answers: list[Future[Applied]] = []
    together: list[Progress] = []

    def look(report: Progress) -> None:
        together.append(report)
        if not answers:  # the setting it has already: everyone hears it, nothing changes
            answers.append(engine.control(Command(ControlAction.LEARNING_RATE, PLAIN.lr)))

    shared = with_training(config, devices=2)
    closing = engine.train(TrainingJob(phase=Phase.GRADIENT, config=shared), look)
    assert closing == "Training complete (2 epochs)"
    assert answers[0].result(0).new == PLAIN.lr
    # The quantile of the soft boundary is that of a share, not of the batch: alike, not the same.
    np.testing.assert_allclose(losses(together), losses(alone), rtol=5e-3)
    found = safetensors.torch.load(engine.dump_weights())["projection.weight"]
    moved = (expected["projection.weight"] - safetensors.torch.load(start)["projection.weight"]).norm()
    assert float((found - expected["projection.weight"]).norm()) < 0.2 * float(moved)
    assert not torch.distributed.is_initialized()
    assert not [each for each in children() if "catenary-rank" in Path(f"/proc/{each}/cmdline").read_text()]


@pytest.mark.slow
def test_a_process_that_cannot_take_part_ends_the_run_and_leaves_nothing(config: TrainRunConfig) -> None:
    task = _task(config, weights=b"no weights")
    with pytest.raises(Failure) as caught, helped(task, lambda: None):
        pass
    assert caught.value.reason is Reason.WORKER_CRASHED
    assert not torch.distributed.is_initialized()


def test_a_stop_is_heard_while_the_others_start(config: TrainRunConfig) -> None:
    def stop() -> None:
        raise Failure(Reason.TRAIN_CANCELLED, "stopped")

    with pytest.raises(Failure) as caught, helped(_task(config), stop):
        pass
    assert caught.value.reason is Reason.TRAIN_CANCELLED


def _task(config: TrainRunConfig, weights: bytes = b"") -> RankTask:
    assert config.pipeline is not None
    return RankTask(
        pipeline=config.pipeline,
        types=built_in_types(),
        weights=weights,
        config=config,
        checkpoint=None,
        devices=("cpu", "cpu"),
        meeting="",
    )


def test_the_shares_of_a_batch_are_the_batch() -> None:
    data = dataclasses.replace(SMALL_DATA, batch_size=4)

    def batches(*share: int) -> list[torch.Tensor]:
        return [batch["cube"] for batch in open_batches(data, Stage.TRAIN, share=Share(*share))]

    whole, first, second = batches(0, 1), batches(0, 2), batches(1, 2)
    assert [len(batch) for batch in whole] == [4, 4, 1]
    for index in (0, 1):
        torch.testing.assert_close(whole[index][0::2], first[index])
        torch.testing.assert_close(whole[index][1::2], second[index])
    assert (len(first[2]), len(second[2])) == (1, 1)  # one tile: nobody may be left without a step


@pytest.mark.parametrize(
    ("changes", "subject"),
    [
        ({"accelerator": "auto", "devices": 64}, "training.trainer.devices"),
        ({"accelerator": "cpu", "devices": 64}, "training.trainer.devices"),
        ({"accelerator": "gpu", "devices": 1}, "training.trainer.accelerator"),
    ],
)
def test_more_devices_than_there_are_are_refused(
    config: TrainRunConfig, changes: dict[str, object], subject: str
) -> None:
    with pytest.raises(Failure) as caught:
        choose_devices(with_training(config, **changes), torch.device("cpu"))
    assert (caught.value.reason, caught.value.violations[0].subject) == (Reason.CONFIG_INVALID, subject)


@needs_two_cores
def test_a_step_cannot_be_left_out_by_one_of_several(config: TrainRunConfig) -> None:
    skipping = with_training(config, devices=2, on_non_finite_loss="skip")
    with pytest.raises(Failure, match="on_non_finite_loss"):
        choose_devices(skipping, torch.device("cpu"))
