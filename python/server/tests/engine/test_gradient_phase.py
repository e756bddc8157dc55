from __future__ import annotations

import dataclasses
import warnings
from typing import TYPE_CHECKING

import numpy as np
import pytest
import safetensors.torch
import torch
from trainruns import loaded, run, small, tensors, with_training

from catenary_server.domain.failure import Failure, Reason
from catenary_server.domain.training import (
    CallbacksConfig,
    EarlyStoppingConfig,
    OptimizerConfig,
    Phase,
    SchedulerConfig,
    Stage,
    TrainingJob,
)

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any

    from catenary_scenes import Scene
    from catenary_server.domain.progress import Progress
    from catenary_server.domain.training import TrainRunConfig
    from catenary_server.engine.torch_engine import TorchEngine


@pytest.fixture
def config(engine: TorchEngine) -> TrainRunConfig:
    """A Deep SVDD whose statistics are fitted."""
    config = loaded(engine, small("deep_svdd"))
    run(engine, Phase.STATISTICAL, config)
    return config


def refused(engine: TorchEngine, config: TrainRunConfig) -> Failure:
    with pytest.raises(Failure) as caught:
        run(engine, Phase.GRADIENT, config)
    return caught.value


def test_steps_and_validations_are_reported_in_order(engine: TorchEngine, config: TrainRunConfig) -> None:
    reports, closing = run(engine, Phase.GRADIENT, config)
    stages = [report.stage for report in reports]
    assert stages == [*[Stage.TRAIN] * 3, Stage.VALIDATE] * 2
    assert [report.global_step for report in reports if report.stage is Stage.TRAIN] == [1, 2, 3, 4, 5, 6]
    assert [report.epochs_done for report in reports if report.stage is Stage.VALIDATE] == [1, 2]
    assert closing == "Training complete (2 epochs)"


def test_losses_and_metrics_go_by_the_names_of_their_nodes(engine: TorchEngine, config: TrainRunConfig) -> None:
    reports, _ = run(engine, Phase.GRADIENT, config)
    steps = [report for report in reports if report.stage is Stage.TRAIN]
    assert all(report.losses.keys() == {"deep_svdd_loss"} for report in steps)
    assert all(report.metrics.keys() <= {"auroc", "iou", "precision"} for report in steps)
    assert {"val_auroc", "val_iou", "val_precision"} == reports[-1].metrics.keys()
    assert steps[0].learning_rate == config.training.optimizer.lr
    assert reports[-1].remaining_seconds == 0
    assert steps[0].remaining_seconds is not None
    assert steps[0].remaining_seconds > 0


def test_one_seed_gives_the_same_losses_and_another_gives_others(engine: TorchEngine) -> None:
    def losses(seed: int) -> list[float]:
        config = loaded(engine, with_training(small("deep_svdd"), seed=seed))
        run(engine, Phase.STATISTICAL, config)
        reports, _ = run(engine, Phase.GRADIENT, config)
        return [value for report in reports for value in report.losses.values()]

    first = losses(7)
    assert losses(7) == first
    assert losses(8) != first


def test_only_nodes_that_learn_change(engine: TorchEngine, config: TrainRunConfig) -> None:
    before = safetensors.torch.load(engine.dump_weights())
    run(engine, Phase.GRADIENT, config)
    after = safetensors.torch.load(engine.dump_weights())
    changed = {key for key in before if not torch.equal(before[key], after[key])}
    assert changed == {"projection.weight", "deep_svdd.radius_squared"}


def test_frozen_nodes_stay_and_unfrozen_ones_learn(engine: TorchEngine, config: TrainRunConfig) -> None:
    before = safetensors.torch.load(engine.dump_weights())
    run(engine, Phase.GRADIENT, dataclasses.replace(config, freeze_nodes=("projection",), unfreeze_nodes=("pca",)))
    after = safetensors.torch.load(engine.dump_weights())
    assert torch.equal(before["projection.weight"], after["projection.weight"])
    assert not torch.equal(before["pca.components"], after["pca.components"])


def test_a_stop_takes_effect_at_the_next_step(engine: TorchEngine, config: TrainRunConfig) -> None:
    before = engine.dump_weights()
    reports: list[Progress] = []

    def stop_at_second_step(report: Progress) -> None:
        reports.append(report)
        if report.global_step == 2:
            engine.stop_training()

    with pytest.raises(Failure) as caught:
        engine.train(TrainingJob(phase=Phase.GRADIENT, config=config), stop_at_second_step)
    assert caught.value.reason is Reason.TRAIN_CANCELLED
    assert len(reports) == 2
    assert engine.dump_weights() == before


def test_a_stop_at_a_validation_takes_effect_before_another_step(engine: TorchEngine, config: TrainRunConfig) -> None:
    reports: list[Progress] = []

    def stop_at_validation(report: Progress) -> None:
        reports.append(report)
        if report.stage is Stage.VALIDATE:
            engine.stop_training()

    with pytest.raises(Failure, match="stopped on request"):
        engine.train(TrainingJob(phase=Phase.GRADIENT, config=config), stop_at_validation)
    assert [report.stage for report in reports] == [*[Stage.TRAIN] * 3, Stage.VALIDATE]


def test_inference_while_training_sees_the_last_finished_epoch(
    engine: TorchEngine, config: TrainRunConfig, small_scene: Scene
) -> None:
    def scores() -> np.ndarray[Any, Any]:
        return engine.infer(tensors(small_scene), ["scores.scores"]).outputs["scores.scores"].array().copy()

    seen: list[np.ndarray[Any, Any]] = [scores()]
    engine.train(TrainingJob(phase=Phase.GRADIENT, config=config), lambda _: seen.append(scores()))
    first_epoch, second_epoch = seen[1:5], seen[5:9]
    assert all(np.array_equal(scene, seen[0]) for scene in first_epoch)
    assert all(np.array_equal(scene, second_epoch[0]) for scene in second_epoch)
    assert not np.array_equal(first_epoch[0], second_epoch[0])


def test_nothing_is_printed_or_written(
    engine: TorchEngine, config: TrainRunConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    run(engine, Phase.GRADIENT, config)
    assert capfd.readouterr() == ("", "")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("changes", "subject"),
    [
        ({"loss_nodes": ()}, "loss_nodes"),
        ({"loss_nodes": ("nowhere",)}, "loss_nodes.0"),
        ({"loss_nodes": ("scores",)}, "loss_nodes.0"),
        ({"metric_nodes": ("scores",)}, "metric_nodes.0"),
        ({"freeze_nodes": ("projection",)}, "freeze_nodes"),
        ({"freeze_nodes": ("nowhere",)}, "freeze_nodes.0"),
        ({"unfreeze_nodes": ("nowhere",)}, "unfreeze_nodes.0"),
        ({"data": None}, "data"),
    ],
)
def test_a_trainrun_that_cannot_be_trained_is_refused_by_its_key(
    engine: TorchEngine, config: TrainRunConfig, changes: dict[str, Any], subject: str
) -> None:
    failure = refused(engine, dataclasses.replace(config, **changes))
    assert failure.reason is Reason.CONFIG_INVALID
    assert [violation.subject for violation in failure.violations] == [subject]


def test_gradients_need_statistics_first(engine: TorchEngine) -> None:
    failure = refused(engine, loaded(engine, small("deep_svdd")))
    assert failure.reason is Reason.STATE_INVALID
    assert "statistical phase" in failure.message


@pytest.mark.parametrize("optimizer", ["adam", "adamw", "sgd"])
def test_every_optimizer_trains(engine: TorchEngine, config: TrainRunConfig, optimizer: Any) -> None:
    settings = OptimizerConfig(name=optimizer, lr=1e-3, weight_decay=0.01)
    _, closing = run(engine, Phase.GRADIENT, with_training(config, optimizer=settings))
    assert closing == "Training complete (2 epochs)"


@pytest.mark.parametrize(
    ("scheduler", "expected"),
    [
        (SchedulerConfig(name="step", step_size=1, gamma=0.5), [1, 0.5, 0.25]),
        (SchedulerConfig(name="exponential", gamma=0.1), [1, 0.1, 0.01]),
        (SchedulerConfig(name="cosine"), [1, 0.75, 0.25]),
        (SchedulerConfig(name="reduce_on_plateau", gamma=0.5, patience=0, monitor="iou"), None),
        (SchedulerConfig(name="reduce_on_plateau", gamma=0.5, monitor="val_auroc"), [1, 1, 1]),
        (SchedulerConfig(name="reduce_on_plateau", gamma=0.5), [1, 1, 1]),
    ],
)
def test_schedules_change_the_learning_rate_from_epoch_to_epoch(
    engine: TorchEngine, config: TrainRunConfig, scheduler: SchedulerConfig, expected: list[float] | None
) -> None:
    config = with_training(config, scheduler=scheduler, max_epochs=3)
    if expected is None:
        assert refused(engine, config).violations[0].subject == "training.scheduler.monitor"
        return
    reports, _ = run(engine, Phase.GRADIENT, config)
    rates = {report.epoch: report.learning_rate for report in reports if report.stage is Stage.TRAIN}
    base = config.training.optimizer.lr
    assert list(rates.values()) == pytest.approx([share * base for share in expected])


def test_early_stopping_ends_a_run_that_does_not_improve(engine: TorchEngine, config: TrainRunConfig) -> None:
    for monitor in ("deep_svdd_loss", "val_deep_svdd_loss"):
        stopping = EarlyStoppingConfig(monitor=monitor, patience=0, min_delta=1e6)
        stopped = with_training(config, callbacks=CallbacksConfig(early_stopping=stopping), max_epochs=5)
        _, closing = run(engine, Phase.GRADIENT, stopped)
        assert closing == "Training complete (2 epochs)"


def test_early_stopping_counts_epochs_without_improvement(engine: TorchEngine, config: TrainRunConfig) -> None:
    patience, min_delta = 2, 0.02
    stopping = EarlyStoppingConfig(monitor="val_deep_svdd_loss", patience=patience, min_delta=min_delta)
    stopped = with_training(config, callbacks=CallbacksConfig(early_stopping=stopping), max_epochs=30)
    reports, _ = run(engine, Phase.GRADIENT, stopped)
    losses = [report.losses["val_deep_svdd_loss"] for report in reports if report.stage is Stage.VALIDATE]
    best, waited, expected = float("inf"), 0, 0
    while waited < patience:
        loss = losses[expected]
        best, waited = (loss, 0) if loss < best - min_delta else (best, waited + 1)
        expected += 1
    assert len(losses) == expected < 30


def test_early_stopping_needs_a_value_that_is_reported(engine: TorchEngine, config: TrainRunConfig) -> None:
    stopping = EarlyStoppingConfig(monitor="nowhere")
    failure = refused(engine, with_training(config, callbacks=CallbacksConfig(early_stopping=stopping)))
    assert failure.violations[0].subject == "training.callbacks.early_stopping.monitor"


def test_a_loss_that_is_not_finite_ends_the_run(engine: TorchEngine, config: TrainRunConfig) -> None:
    exploding = OptimizerConfig(name="sgd", lr=10, momentum=1.0)
    failure = refused(engine, with_training(config, optimizer=exploding, max_epochs=200))
    assert failure.reason is Reason.NON_FINITE_LOSS
    assert "deep_svdd_loss" in failure.message


def test_steps_whose_loss_is_not_finite_can_be_left_out(engine: TorchEngine, config: TrainRunConfig) -> None:
    exploding = OptimizerConfig(name="sgd", lr=10, momentum=1.0)
    skipping = with_training(config, optimizer=exploding, max_epochs=30, on_non_finite_loss="skip")
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*training_step. returned .None.*")
        reports, closing = run(engine, Phase.GRADIENT, skipping)
    assert closing == "Training complete (30 epochs)"
    assert not [report for report in reports if report.stage is Stage.TRAIN][-1].losses


def test_gradients_can_be_clipped(engine: TorchEngine, config: TrainRunConfig) -> None:
    before = safetensors.torch.load(engine.dump_weights())["projection.weight"]
    clipped = with_training(config, gradient_clip_val=1e-6, optimizer=OptimizerConfig(name="sgd", lr=1.0))
    run(engine, Phase.GRADIENT, clipped)
    after = safetensors.torch.load(engine.dump_weights())["projection.weight"]
    assert 0 < float((after - before).norm()) <= 6.1e-6


def test_validation_may_be_rarer_than_epochs(engine: TorchEngine, config: TrainRunConfig) -> None:
    reports, _ = run(engine, Phase.GRADIENT, with_training(config, check_val_every_n_epoch=2, max_epochs=4))
    assert [report.epochs_done for report in reports if report.stage is Stage.VALIDATE] == [2, 4]


def test_loading_processes_do_not_change_the_losses(engine: TorchEngine, config: TrainRunConfig) -> None:
    assert config.data is not None
    alone, _ = run(engine, Phase.GRADIENT, config)
    run(engine, Phase.STATISTICAL, config)
    helped, _ = run(
        engine, Phase.GRADIENT, dataclasses.replace(config, data=dataclasses.replace(config.data, num_workers=1))
    )
    assert [report.losses for report in helped] == [report.losses for report in alone]


def test_several_devices_are_refused(engine: TorchEngine, config: TrainRunConfig) -> None:
    assert refused(engine, with_training(config, devices=2)).violations[0].subject == "training.trainer.devices"
