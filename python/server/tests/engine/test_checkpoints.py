from __future__ import annotations

import dataclasses
import json
import random
import struct
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import safetensors
import safetensors.torch
import torch
from trainruns import loaded, run, small, tensors, with_training

from catenary_server.domain.failure import Failure, Reason
from catenary_server.domain.training import (
    CallbacksConfig,
    CheckpointConfig,
    EarlyStoppingConfig,
    OptimizerConfig,
    Phase,
    SchedulerConfig,
    Stage,
    TrainingJob,
)
from catenary_server.engine import checkpoints
from catenary_server.engine.torch_engine import TorchEngine
from catenary_server.nodes.catalog import built_in_types

if TYPE_CHECKING:
    from pathlib import Path

    from catenary_scenes import Scene
    from catenary_server.domain.checkpoint import Checkpoint
    from catenary_server.domain.progress import Progress
    from catenary_server.domain.training import TrainRunConfig

LAST = CallbacksConfig(checkpoint=CheckpointConfig())


@pytest.fixture
def config(engine: TorchEngine) -> TrainRunConfig:
    """A channel selector, which draws random numbers in every step, whose statistics are fitted."""
    config = with_training(loaded(engine, small("channel_selector", epochs=4)), callbacks=LAST)
    run(engine, Phase.STATISTICAL, config)
    return config


@pytest.fixture(scope="module")
def good() -> bytes:
    """A checkpoint of such a run after its first epoch."""
    engine = TorchEngine(built_in_types(), "cpu")
    config = with_training(loaded(engine, small("channel_selector", epochs=1)), callbacks=LAST)
    run(engine, Phase.STATISTICAL, config)
    _, kept = train(engine, config)
    return bytes(kept[0].content)


def train(
    engine: TorchEngine, config: TrainRunConfig, checkpoint: memoryview | None = None
) -> tuple[list[Progress], list[Checkpoint]]:
    reports: list[Progress] = []
    kept: list[Checkpoint] = []
    job = TrainingJob(phase=Phase.GRADIENT, config=config, checkpoint=checkpoint)
    engine.train(job, reports.append, kept.append)
    return reports, kept


def resumed(config: TrainRunConfig, checkpoint: memoryview) -> tuple[list[Progress], bytes]:
    """Go on in another engine, whose pipeline is new and whose random numbers are elsewhere."""
    random.seed(99)
    np.random.seed(99)  # noqa: NPY002 - what a node may use
    torch.manual_seed(99)
    other = TorchEngine(built_in_types(), "cpu")
    loaded(other, config)
    reports, _ = train(other, config, checkpoint)
    return reports, other.dump_weights()


def told(reports: list[Progress]) -> list[tuple[object, ...]]:
    return [
        (each.stage, each.epoch, each.global_step, each.losses, each.metrics, each.learning_rate) for each in reports
    ]


def refused(engine: TorchEngine, config: TrainRunConfig, checkpoint: bytes) -> Failure:
    with pytest.raises(Failure) as caught:
        train(engine, config, memoryview(checkpoint))
    return caught.value


@pytest.mark.parametrize(
    "changes",
    [
        {"optimizer": OptimizerConfig(name="adam", lr=0.05)},
        {"optimizer": OptimizerConfig(name="sgd", lr=0.05, momentum=0.9), "scheduler": SchedulerConfig(name="cosine")},
        {"optimizer": OptimizerConfig(name="adamw", lr=0.05), "scheduler": SchedulerConfig(name="step", step_size=2)},
        {
            "scheduler": SchedulerConfig(name="reduce_on_plateau", patience=0, gamma=0.5, monitor="val_auroc"),
            "check_val_every_n_epoch": 2,
        },
    ],
    ids=["adam", "sgd and cosine", "adamw and step", "plateau and rare validation"],
)
@pytest.mark.parametrize("epochs_done", [1, 3])
def test_a_resumed_run_learns_exactly_what_an_uninterrupted_one_learns(
    engine: TorchEngine, config: TrainRunConfig, changes: dict[str, Any], epochs_done: int
) -> None:
    config = with_training(config, **changes)
    whole, kept = train(engine, config)
    assert [each.epochs_done for each in kept] == [1, 2, 3, 4]
    reports, weights = resumed(config, kept[epochs_done - 1].content)
    assert told(reports) == told([each for each in whole if each.epoch >= epochs_done])
    assert weights == engine.dump_weights()


def test_early_stopping_counts_on(engine: TorchEngine, config: TrainRunConfig) -> None:
    stopping = EarlyStoppingConfig(monitor="bce_loss", patience=2, min_delta=1e6)
    config = with_training(config, callbacks=dataclasses.replace(LAST, early_stopping=stopping), max_epochs=9)
    whole, kept = train(engine, config)
    assert whole[-1].epoch == 2
    reports, _ = resumed(config, kept[1].content)
    assert {each.epoch for each in reports} == {2}


def test_a_changed_learning_rate_is_the_checkpoints(engine: TorchEngine, config: TrainRunConfig) -> None:
    _, kept = train(engine, config)
    other = with_training(config, optimizer=dataclasses.replace(config.training.optimizer, lr=0.5))
    reports, _ = resumed(other, kept[0].content)
    assert reports[0].learning_rate == config.training.optimizer.lr


def test_the_best_epoch_is_kept_beside_the_last(engine: TorchEngine, config: TrainRunConfig) -> None:
    callbacks = CallbacksConfig(checkpoint=CheckpointConfig(monitor="val_auroc", mode="max"))
    reports, kept = train(engine, with_training(config, callbacks=callbacks))
    values = {each.epoch + 1: each.metrics["val_auroc"] for each in reports if each.stage is Stage.VALIDATE}
    best = [each.epochs_done for each in kept if each.name == "best"]
    expected = [epoch for epoch in values if all(values[epoch] > values[before] for before in values if before < epoch)]
    assert best == expected
    assert [each.epochs_done for each in kept if each.name == "last"] == [1, 2, 3, 4]


def test_last_epochs_may_be_kept_rarely_and_the_end_always(engine: TorchEngine, config: TrainRunConfig) -> None:
    callbacks = CallbacksConfig(checkpoint=CheckpointConfig(every_n_epochs=3))
    _, kept = train(engine, with_training(config, callbacks=callbacks))
    assert [each.epochs_done for each in kept] == [3, 4]
    only_best = CallbacksConfig(checkpoint=CheckpointConfig(save_last=False))
    assert train(engine, with_training(config, callbacks=only_best))[1] == []
    assert train(engine, with_training(config, callbacks=CallbacksConfig()))[1] == []


def test_a_checkpoint_serves_as_a_file_of_weights(
    engine: TorchEngine, config: TrainRunConfig, small_scene: Scene
) -> None:
    _, kept = train(engine, config)
    expected = engine.infer(tensors(small_scene), []).outputs
    other = TorchEngine(built_in_types(), "cpu")
    loaded(other, config)
    other.load_weights(kept[-1].content, strict=True)
    assert other.dump_weights() == engine.dump_weights()
    for name, tensor in other.infer(tensors(small_scene), []).outputs.items():
        np.testing.assert_array_equal(tensor.array(), expected[name].array())


def test_training_is_the_same_whether_checkpoints_are_kept_or_not(engine: TorchEngine, config: TrainRunConfig) -> None:
    kept, _ = train(engine, config)
    run(engine, Phase.STATISTICAL, loaded(engine, config))
    plain, _ = train(engine, with_training(config, callbacks=CallbacksConfig()))
    assert told(plain) == told(kept)


def test_a_run_that_has_all_its_epochs_is_not_taken_up(engine: TorchEngine, config: TrainRunConfig) -> None:
    _, kept = train(engine, config)
    failure = refused(engine, config, bytes(kept[-1].content))
    assert (failure.reason, failure.violations[0].subject) == (Reason.CONFIG_INVALID, "training.resume_from")
    assert "max_epochs" in failure.message


def test_a_checkpoint_of_another_optimizer_or_of_other_weights_is_refused(
    engine: TorchEngine, config: TrainRunConfig
) -> None:
    _, kept = train(engine, config)
    other = with_training(config, optimizer=OptimizerConfig(name="sgd"))
    assert "adam" in refused(engine, other, bytes(kept[0].content)).message
    svdd = loaded(engine, small("deep_svdd", epochs=9))
    assert refused(engine, svdd, bytes(kept[0].content)).reason is Reason.WEIGHTS_MISMATCH


class Opened:
    """Leaves a file behind when a pickle with it is read."""

    def __init__(self, canary: Path) -> None:
        self._canary = canary

    def __reduce__(self) -> tuple[object, ...]:
        return self._canary.touch, ()


def test_a_pickle_is_refused_unread(engine: TorchEngine, config: TrainRunConfig, tmp_path: Path) -> None:
    torch.save({"state_dict": {}, "canary": Opened(tmp_path / "canary")}, tmp_path / "lightning.ckpt")
    failure = refused(engine, config, (tmp_path / "lightning.ckpt").read_bytes())
    assert failure.reason is Reason.WEIGHTS_FORMAT_FORBIDDEN
    assert not (tmp_path / "canary").exists()


def test_weights_alone_and_damaged_files_are_no_checkpoints(engine: TorchEngine, config: TrainRunConfig) -> None:
    _, kept = train(engine, config)
    good = bytes(kept[0].content)
    for content in (engine.dump_weights(), b"", b"{}", good[:100], good[:-1], good[8:]):
        assert refused(engine, config, content).reason is Reason.CONFIG_INVALID


def test_the_checkpoint_that_is_altered_is_good(engine: TorchEngine, config: TrainRunConfig, good: bytes) -> None:
    reports, _ = train(engine, config, memoryview(good))
    assert {each.epoch for each in reports} == {1, 2, 3}


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("version", 2),
        ("epochs_done", -1),
        ("epochs_done", "many"),
        ("learning_rates", []),
        ("optimizer", ["adam"]),
        ("batch_size", 0),
        ("python_random", [1, 2]),
        ("numpy_random", [-1] * 624),
        ("numpy_position", 10**9),
        ("unknown", 1),
    ],
)
def test_state_that_a_client_altered_is_refused_by_its_key(
    engine: TorchEngine, config: TrainRunConfig, good: bytes, key: str, value: object
) -> None:
    (length,) = struct.unpack_from("<Q", good)
    state = json.loads(json.loads(good[8 : 8 + length])["__metadata__"][checkpoints.STATE_KEY]) | {key: value}
    altered = safetensors.torch.save(safetensors.torch.load(good), metadata={checkpoints.STATE_KEY: json.dumps(state)})
    failure = refused(engine, config, altered)
    assert (failure.reason, failure.violations[0].subject) == (Reason.CONFIG_INVALID, "training.resume_from")


@pytest.mark.parametrize("key", [".optimizer.0.exp_avg", ".rng.torch", ".rng.order"])
def test_tensors_that_a_client_altered_are_refused(
    engine: TorchEngine, config: TrainRunConfig, good: bytes, key: str
) -> None:
    (length,) = struct.unpack_from("<Q", good)
    metadata = json.loads(good[8 : 8 + length])["__metadata__"]
    found = safetensors.torch.load(good)
    assert key in found
    altered = safetensors.torch.save(found | {key: torch.zeros(7, dtype=found[key].dtype)}, metadata=metadata)
    assert refused(engine, config, altered).reason is Reason.CONFIG_INVALID


def test_a_monitor_must_be_reported(engine: TorchEngine, config: TrainRunConfig) -> None:
    callbacks = CallbacksConfig(checkpoint=CheckpointConfig(monitor="nowhere"))
    with pytest.raises(Failure) as caught:
        train(engine, with_training(config, callbacks=callbacks))
    assert caught.value.violations[0].subject == "training.callbacks.checkpoint.monitor"
