"""The shipped trainruns as the engine takes them, and small ones made of a few nodes."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import yaml
from pydantic import TypeAdapter

from catenary_server.domain.pipeline import Connection, NodeConfig, PipelineConfig
from catenary_server.domain.tensor import Tensor
from catenary_server.domain.training import (
    DataConfig,
    EvaluationJob,
    Phase,
    Stage,
    SyntheticConfig,
    TrainerConfig,
    TrainingConfig,
    TrainingJob,
    TrainRunConfig,
)

if TYPE_CHECKING:
    from catenary_scenes import Scene
    from catenary_server.domain.progress import Progress
    from catenary_server.domain.runtime import Engine

CONFIGS = Path(__file__).parents[4] / "configs"

SMALL_DATA = DataConfig(
    source="synthetic", synthetic=SyntheticConfig(seed=3, rows=24, cols=24, bands=12), tile_size=8, batch_size=3
)


def shipped(name: str) -> TrainRunConfig:
    """A trainrun of the repository, its groups put in place."""
    document = yaml.safe_load((CONFIGS / f"trainrun/{name}.yaml").read_text())
    for entry in document.pop("defaults"):
        if isinstance(entry, dict):
            ((group, choice),) = entry.items()
            chosen = yaml.safe_load((CONFIGS / group[1:] / f"{choice}.yaml").read_text())
            document[group[1:]] = chosen | document.get(group[1:], {})
    return TypeAdapter(TrainRunConfig).validate_python(document)


def small(name: str, *, epochs: int = 2, **changes: Any) -> TrainRunConfig:
    """A shipped trainrun on a small scene, for few epochs."""
    config = shipped(name)
    training = dataclasses.replace(
        config.training, trainer=dataclasses.replace(config.training.trainer, max_epochs=epochs)
    )
    return dataclasses.replace(config, data=SMALL_DATA, training=training, **changes)


def with_training(config: TrainRunConfig, **changes: Any) -> TrainRunConfig:
    """The trainrun with other training settings; those of `TrainerConfig` go to the trainer."""
    names = {field.name for field in dataclasses.fields(TrainerConfig)}
    trainer = dataclasses.replace(config.training.trainer, **{key: changes.pop(key) for key in names & changes.keys()})
    training: TrainingConfig = dataclasses.replace(config.training, trainer=trainer, **changes)
    return dataclasses.replace(config, training=training)


def pipeline(nodes: dict[str, str | tuple[str, dict[str, object]]], *connections: str) -> PipelineConfig:
    """A pipeline of nodes (`name: class` or `name: (class, params)`), joined by `a.port > b.port`."""
    configs = []
    for name, node in nodes.items():
        class_name, params = (node, {}) if isinstance(node, str) else node
        configs.append(NodeConfig(name=name, class_name=class_name, params=params))
    edges = []
    for connection in connections:
        source, target = (end.strip().split(".") for end in connection.split(">"))
        edges.append(Connection(source=f"{source[0]}.outputs.{source[1]}", target=f"{target[0]}.inputs.{target[1]}"))
    return PipelineConfig(nodes=tuple(configs), connections=tuple(edges))


def run(engine: Engine, phase: Phase, config: TrainRunConfig) -> tuple[list[Progress], str]:
    """One phase: its reports and its closing message."""
    reports: list[Progress] = []
    return reports, engine.train(TrainingJob(phase=phase, config=config), reports.append)


def measure(engine: Engine, stage: Stage, config: TrainRunConfig) -> Progress:
    """The last report of an evaluation."""
    reports: list[Progress] = []
    engine.evaluate(EvaluationJob(stage=stage, config=config), reports.append)
    return reports[-1]


def loaded(engine: Engine, config: TrainRunConfig) -> TrainRunConfig:
    """Load the pipeline of the trainrun."""
    assert config.pipeline is not None
    engine.load_pipeline(config.pipeline)
    return config


def tensors(scene: Scene, *, mask: bool = False) -> dict[str, Tensor]:
    """A whole scene as the inputs of a pipeline."""
    inputs = {"cube": Tensor.of(scene.cube[None])}
    if mask:
        assert scene.mask is not None
        inputs["mask"] = Tensor.of(scene.mask[None])
    return inputs


def roc_auc(scores: np.ndarray[Any, Any], mask: np.ndarray[Any, Any]) -> float:
    """Area under the ROC curve by counting pairs, independent of the code under test."""
    flat, positive = scores.ravel().astype(np.float64), mask.ravel() > 0
    ordered = np.sort(flat[~positive])
    below = np.searchsorted(ordered, flat[positive], "left")
    below_or_equal = np.searchsorted(ordered, flat[positive], "right")
    return float((below + below_or_equal).mean() / 2 / ordered.size)
