"""The figures that the shipped trainruns promise."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np
import pytest
from trainruns import loaded, roc_auc, run, shipped, small, tensors

from catenary_server.domain.training import DataConfig, Phase, Stage

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from catenary_scenes import Scene
    from catenary_server.domain.training import TrainRunConfig
    from catenary_server.engine.torch_engine import TorchEngine


def on_file(config: TrainRunConfig, path: Path) -> TrainRunConfig:
    return dataclasses.replace(config, data=DataConfig(source="file", path=str(path)))


@pytest.mark.scenes
@pytest.mark.parametrize(("name", "area"), [("san_diego", 0.940), ("hydice_urban", 0.976)])
def test_rx_scores_as_a_float64_computation_does(
    engine: TorchEngine, real_scene: Callable[[str], tuple[Path, Scene]], name: str, area: float
) -> None:
    path, scene = real_scene(name)
    config = loaded(engine, on_file(shipped("rx"), path))
    reports, _ = run(engine, Phase.STATISTICAL, config)
    scores = engine.infer(tensors(scene), []).outputs["rx.scores"].array()

    pixels = scene.cube.reshape(-1, scene.bands).astype(np.float64)
    centred = pixels - pixels.mean(axis=0)
    expected = np.sum(centred @ np.linalg.pinv(np.cov(pixels.T)) * centred, axis=1)
    np.testing.assert_allclose(scores.ravel(), expected, rtol=1e-4)
    assert scene.mask is not None
    assert round(roc_auc(scores, scene.mask), 3) == area
    assert round(reports[-1].metrics["val_auroc"], 3) == area


def test_rx_of_the_surroundings_finds_more_in_a_mixed_scene_than_rx_of_the_whole(engine: TorchEngine) -> None:
    areas = []
    for name in ("rx", "rx_local"):
        config = loaded(engine, shipped(name))
        reports, message = run(engine, Phase.STATISTICAL, config)
        assert message == "Statistical training complete"
        areas.append(reports[-1].metrics["val_auroc"])
    assert 0.9 < areas[0] < areas[1] - 0.02


@pytest.mark.scenes
@pytest.mark.parametrize(
    ("trainrun", "name", "least"),
    [
        ("lad", "san_diego", 0.98),
        ("lad", "hydice_urban", 0.86),
        ("rx_local", "san_diego", 0.95),
        ("rx_local", "hydice_urban", 0.99),
    ],
)
def test_detectors_without_gradients_find_the_targets_of_real_scenes(
    engine: TorchEngine, real_scene: Callable[[str], tuple[Path, Scene]], trainrun: str, name: str, least: float
) -> None:
    path, scene = real_scene(name)
    config = shipped(trainrun)
    assert config.data is not None
    data = dataclasses.replace(config.data, source="file", path=str(path))
    reports, _ = run(engine, Phase.STATISTICAL, loaded(engine, dataclasses.replace(config, data=data)))
    assert reports[-1].metrics["val_auroc"] >= least
    (scores,) = engine.infer(tensors(scene), []).outputs.values()
    assert scene.mask is not None
    assert roc_auc(scores.array(), scene.mask) >= least


@pytest.mark.scenes
@pytest.mark.slow
@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(("name", "least"), [("san_diego", 0.96), ("hydice_urban", 0.985)])
def test_deep_svdd_without_labels_beats_rx_after_gradient_training(
    engine: TorchEngine, real_scene: Callable[[str], tuple[Path, Scene]], name: str, least: float, seed: int
) -> None:
    path, scene = real_scene(name)
    config = on_file(shipped("deep_svdd"), path)
    config = loaded(engine, dataclasses.replace(config, training=dataclasses.replace(config.training, seed=seed)))
    run(engine, Phase.STATISTICAL, config)
    before = engine.dump_weights()
    reports, _ = run(engine, Phase.GRADIENT, config)
    scores = engine.infer(tensors(scene), ["scores.scores"]).outputs["scores.scores"].array()
    assert scene.mask is not None
    assert roc_auc(scores, scene.mask) >= least
    assert engine.dump_weights() != before
    losses = [report.losses["val_deep_svdd_loss"] for report in reports if report.stage is Stage.VALIDATE]
    assert losses[-1] < losses[0]


def test_deep_svdd_learns_nothing_from_labels(engine: TorchEngine) -> None:
    config = shipped("deep_svdd")
    assert config.pipeline is not None
    labelled = {
        edge.target.split(".")[0] for edge in config.pipeline.connections if edge.source == "scene.outputs.mask"
    }
    assert labelled == set(config.metric_nodes)
    loaded(engine, config)


def test_channel_selector_ends_with_three_distinct_channels(engine: TorchEngine, small_scene: Scene) -> None:
    config = loaded(engine, small("channel_selector", epochs=3))
    run(engine, Phase.STATISTICAL, config)
    reports, message = run(engine, Phase.GRADIENT, config)
    weights = engine.infer(tensors(small_scene), ["weights"]).outputs["channel_selector.weights"].array()
    assert message == "Training complete (3 epochs)"
    assert weights.shape == (3, small_scene.bands)
    assert len(set(weights.argmax(axis=1))) == 3
    np.testing.assert_array_equal(np.sort(weights, axis=1)[:, -2:], [[0, 1]] * 3)
    assert {"bce_loss", "entropy_loss", "diversity_loss"} == reports[0].losses.keys()


def test_node_10_of_the_channel_selector_is_the_one_that_writes_files() -> None:
    config = shipped("channel_selector")
    assert config.pipeline is not None
    writers = [index for index, node in enumerate(config.pipeline.nodes) if "output_dir" in node.params]
    assert writers == [10]


@pytest.mark.parametrize("name", ["rx", "rx_local", "lad", "deep_svdd", "channel_selector"])
def test_every_key_that_the_requirements_override_stands_in_the_files(name: str) -> None:
    config = shipped(name)
    assert config.name == name
    assert config.pipeline is not None
    assert config.pipeline.metadata.name == name
    assert config.data is not None
