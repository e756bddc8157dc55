import pytest

from catenary_server.configuration.checks import doubts, faults
from catenary_server.configuration.schemas import Config
from catenary_server.domain.pipeline import NodeConfig, PipelineConfig
from catenary_server.domain.training import (
    CallbacksConfig,
    CheckpointConfig,
    DataConfig,
    EarlyStoppingConfig,
    OptimizerConfig,
    SchedulerConfig,
    TrainingConfig,
    TrainRunConfig,
)

PIPELINE = PipelineConfig(nodes=(NodeConfig(name="svdd", class_name="DeepSVDD"),))


def stopping_on(monitor: str) -> TrainRunConfig:
    callbacks = CallbacksConfig(early_stopping=EarlyStoppingConfig(monitor=monitor))
    return TrainRunConfig(name="a", loss_nodes=("svdd",), training=TrainingConfig(callbacks=callbacks))


def keeping_best_by(monitor: str) -> TrainRunConfig:
    callbacks = CallbacksConfig(checkpoint=CheckpointConfig(monitor=monitor))
    return TrainRunConfig(name="a", training=TrainingConfig(callbacks=callbacks), loss_nodes=("svdd",))


@pytest.mark.parametrize(
    ("config", "subject"),
    [
        (OptimizerConfig(momentum=0.5), "momentum"),
        (SchedulerConfig(name="reduce_on_plateau"), "monitor"),
        (SchedulerConfig(name="step", monitor="val_iou"), "monitor"),
        (CallbacksConfig(), "early_stopping"),
        (DataConfig(source="file"), "path"),
        (DataConfig(source="synthetic", path="a.npz"), "path"),
        (TrainingConfig(optimizer=OptimizerConfig(momentum=0.5)), "optimizer.momentum"),
        (TrainingConfig(scheduler=SchedulerConfig(name="reduce_on_plateau")), "scheduler.monitor"),
        (TrainRunConfig(name="a", data=DataConfig(source="file")), "data.path"),
        (stopping_on("sdvv_loss"), "training.callbacks.early_stopping.monitor"),
        (stopping_on("val_loss"), "training.callbacks.early_stopping.monitor"),
        (keeping_best_by("sdvv_loss"), "training.callbacks.checkpoint.monitor"),
    ],
)
def test_what_is_probably_not_meant_is_told(config: Config, subject: str) -> None:
    assert [doubt.subject for doubt in doubts(config)] == [subject]


@pytest.mark.parametrize(
    "config",
    [
        OptimizerConfig(name="sgd", momentum=0.5),
        SchedulerConfig(name="reduce_on_plateau", monitor="val_iou"),
        CallbacksConfig(early_stopping=EarlyStoppingConfig(monitor="val_iou")),
        DataConfig(source="file", path="a.npz"),
        DataConfig(source="synthetic"),
        PIPELINE,
        TrainRunConfig(name="a"),
        stopping_on("svdd_loss"),
        stopping_on("val_svdd_loss"),
        stopping_on("val_iou"),
    ],
)
def test_what_is_meant_raises_no_doubt(config: Config) -> None:
    assert list(doubts(config)) == []


@pytest.mark.parametrize("key", ["loss_nodes", "metric_nodes", "freeze_nodes", "unfreeze_nodes"])
def test_nodes_that_the_pipeline_does_not_have_are_faults(key: str) -> None:
    lists = {key: ("svdd", "other")}
    (fault,) = faults(TrainRunConfig(name="a", pipeline=PIPELINE, **lists))  # type: ignore[arg-type] # the key names a list of nodes
    assert fault.subject == f"{key}.1"
    assert "nodes: svdd" in fault.description
    assert list(faults(TrainRunConfig(name="a", **lists))) == []  # type: ignore[arg-type] # as above
