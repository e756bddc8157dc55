from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING, Any

import pytest
from trainruns import loaded, pipeline, run, small, tensors

from catenary_server.domain.training import Phase

if TYPE_CHECKING:
    from pathlib import Path

    from catenary_scenes import Scene
    from catenary_server.domain.training import TrainRunConfig
    from catenary_server.engine.torch_engine import TorchEngine


@pytest.fixture
def config(engine: TorchEngine, tmp_path: Path) -> TrainRunConfig:
    """A small detector with a monitor on its loss, its metric and its scores; its statistics are fitted."""
    watched = pipeline(
        {
            "scene": "SceneInput",
            "projection": "DeepSVDDProjection",
            "center": "DeepSVDDCenterTracker",
            "loss": "DeepSVDDSoftBoundaryLoss",
            "scores": "DeepSVDDScores",
            "auroc": "AUROC",
            "monitor": ("TensorBoardMonitorNode", {"output_dir": str(tmp_path / "log")}),
        },
        "scene.cube > projection.data",
        "projection.embeddings > center.embeddings",
        "projection.embeddings > loss.embeddings",
        "center.center > loss.center",
        "projection.embeddings > scores.embeddings",
        "center.center > scores.center",
        "scores.scores > auroc.scores",
        "scene.mask > auroc.targets",
        "loss.loss > monitor.metrics",
        "auroc.value > monitor.metrics",
        "scores.scores > monitor.artifacts",
    )
    base = small("deep_svdd", epochs=2)
    config = loaded(
        engine, dataclasses.replace(base, pipeline=watched, loss_nodes=("loss",), metric_nodes=(), unfreeze_nodes=())
    )
    run(engine, Phase.STATISTICAL, config)
    return config


def record(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "log" / "record.jsonl").read_text().splitlines()]


def test_a_monitor_records_every_step_of_a_run_and_what_was_inferred(
    engine: TorchEngine, config: TrainRunConfig, tmp_path: Path, small_scene: Scene
) -> None:
    reports, _ = run(engine, Phase.GRADIENT, config)
    losses = [report.losses["loss_loss"] for report in reports if "loss_loss" in report.losses]
    seen = [line for line in record(tmp_path) if line["name"] == "loss.loss"]
    assert [line["value"] for line in seen] == pytest.approx(losses[: len(seen)])
    assert {(line["stage"], line["epoch"]) for line in seen} == {("train", 0), ("train", 1)}
    assert [line["step"] for line in seen] == list(range(len(seen)))
    before = len(record(tmp_path))
    found = engine.infer(tensors(small_scene, mask=True), ())
    assert found.metrics.keys() == {"auroc"}
    assert "scores.scores" in found.outputs
    added = {line["name"]: line for line in record(tmp_path)[before:]}
    assert added["auroc.value"]["value"] == pytest.approx(found.metrics["auroc"])
    assert added["auroc.value"]["stage"] == "inference"
    assert (tmp_path / "log" / added["scores.scores"]["tile"]).is_file()


def test_a_monitor_does_not_change_what_is_learnt(
    engine: TorchEngine, config: TrainRunConfig, small_scene: Scene
) -> None:
    assert config.pipeline is not None
    run(engine, Phase.GRADIENT, config)
    watched = engine.infer(tensors(small_scene), ("scores",)).outputs["scores.scores"].array()
    bare = dataclasses.replace(
        config.pipeline,
        nodes=tuple(node for node in config.pipeline.nodes if node.name != "monitor"),
        connections=tuple(edge for edge in config.pipeline.connections if "monitor" not in edge.target),
    )
    alone = loaded(engine, dataclasses.replace(config, pipeline=bare))
    run(engine, Phase.STATISTICAL, alone)
    run(engine, Phase.GRADIENT, alone)
    assert (engine.infer(tensors(small_scene), ("scores",)).outputs["scores.scores"].array() == watched).all()
