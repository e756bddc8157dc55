"""Faults and doubts that a schema cannot express, because they concern several keys at once."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from catenary_server.configuration.training_means import restrictions
from catenary_server.domain.failure import Violation
from catenary_server.domain.training import (
    CallbacksConfig,
    DataConfig,
    OptimizerConfig,
    SchedulerConfig,
    TrainingConfig,
    TrainRunConfig,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from catenary_server.configuration.schemas import Config
    from catenary_server.domain.pipeline import PipelineConfig

_NODE_LISTS = ("loss_nodes", "metric_nodes", "freeze_nodes", "unfreeze_nodes")


def faults(config: Config) -> Iterator[Violation]:
    """What makes a configuration of the right form unusable."""
    if isinstance(config, TrainRunConfig) and config.pipeline is not None:
        yield from _unknown_nodes(config, config.pipeline)


def doubts(config: Config) -> Iterator[Violation]:
    """What is legal and probably not meant."""
    if isinstance(config, TrainRunConfig):
        yield from _training_doubts(config.training, "training.")
        yield from _monitor_doubts(config)
        if config.data is not None:
            yield from _data_doubts(config.data, "data.")
    elif isinstance(config, TrainingConfig):
        yield from _training_doubts(config, "")
    elif isinstance(config, DataConfig):
        yield from _data_doubts(config, "")
    elif isinstance(config, OptimizerConfig):
        yield from _optimizer_doubts(config, "")
    elif isinstance(config, SchedulerConfig):
        yield from _scheduler_doubts(config, "")
    elif isinstance(config, CallbacksConfig) and config.early_stopping is None:
        yield Violation("early_stopping", "no callback is configured")


def _unknown_nodes(config: TrainRunConfig, pipeline: PipelineConfig) -> Iterator[Violation]:
    known = [node.name for node in pipeline.nodes]
    for key in _NODE_LISTS:
        for index, name in enumerate(getattr(config, key)):
            if name not in known:
                yield Violation(f"{key}.{index}", f"no node {name!r} in the pipeline; nodes: {', '.join(known)}")


def _training_doubts(config: TrainingConfig, prefix: str) -> Iterator[Violation]:
    yield from _optimizer_doubts(config.optimizer, f"{prefix}optimizer.")
    if config.scheduler is not None:
        yield from _scheduler_doubts(config.scheduler, f"{prefix}scheduler.")


def _optimizer_doubts(config: OptimizerConfig, prefix: str) -> Iterator[Violation]:
    yield from _idle_params(config, prefix)


def _scheduler_doubts(config: SchedulerConfig, prefix: str) -> Iterator[Violation]:
    if config.name == "reduce_on_plateau" and not config.monitor:
        yield Violation(f"{prefix}monitor", "reduce_on_plateau without a monitor watches the training loss")
    yield from _idle_params(config, prefix)


def _idle_params(config: OptimizerConfig | SchedulerConfig, prefix: str) -> Iterator[Violation]:
    """Parameters that were set and mean nothing to what is named."""
    only_for = restrictions(type(config))
    for field in dataclasses.fields(config):
        names = only_for.get(field.name, (config.name,))
        if config.name not in names and getattr(config, field.name) != field.default:
            yield Violation(f"{prefix}{field.name}", f"has no effect on {config.name}; only on {', '.join(names)}")


def _data_doubts(config: DataConfig, prefix: str) -> Iterator[Violation]:
    if config.source == "file" and not config.path:
        yield Violation(f"{prefix}path", "is needed to train with source file")
    if config.source == "synthetic" and config.path:
        yield Violation(f"{prefix}path", "has no effect with source synthetic")


def _monitor_doubts(config: TrainRunConfig) -> Iterator[Violation]:
    """Losses are reported as `<node>_loss`; only the keys of metrics depend on the node types."""
    callbacks = config.training.callbacks
    known = {f"{prefix}{name}_loss" for name in config.loss_nodes for prefix in ("", "val_")}
    for key, callback in (("early_stopping", callbacks.early_stopping), ("checkpoint", callbacks.checkpoint)):
        monitor = None if callback is None else callback.monitor
        if monitor is not None and monitor.endswith("_loss") and monitor not in known:
            names = ", ".join(f"{name}_loss" for name in config.loss_nodes) or "none"
            fault = f"no loss is reported under this key; losses: {names}"
            yield Violation(f"training.callbacks.{key}.monitor", fault)
