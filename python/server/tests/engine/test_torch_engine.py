from __future__ import annotations

import dataclasses
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
import torch
from trainruns import SMALL_DATA, loaded, measure, pipeline, run, shipped, small

from catenary_server.domain.failure import Failure, Reason
from catenary_server.domain.training import Phase, Stage, TrainingJob
from catenary_server.engine.devices import choose_device
from catenary_server.worker import build_engine

if TYPE_CHECKING:
    from catenary_server.domain.progress import Progress
    from catenary_server.engine.torch_engine import TorchEngine


def test_the_catalog_names_node_types_with_their_aliases_and_devices(engine: TorchEngine) -> None:
    catalog = engine.catalog()
    assert catalog.nodes["ZScoreNormalizerGlobal"].class_name == "ZScoreNormalizerGlobal"
    assert catalog.nodes["RXGlobal"].statistical
    assert catalog.devices[0].name == "cpu"


@pytest.mark.parametrize("name", ["rx", "deep_svdd", "channel_selector"])
def test_shipped_pipelines_load(engine: TorchEngine, name: str) -> None:
    loaded(engine, shipped(name))


def test_a_parameter_out_of_range_is_refused_by_its_key_and_keeps_the_pipeline_before(engine: TorchEngine) -> None:
    loaded(engine, small("rx"))
    before = engine.dump_weights()
    with pytest.raises(Failure) as caught:
        engine.load_pipeline(pipeline({"scene": "SceneInput", "pca": ("TrainablePCA", {"n_components": 0})}))
    assert caught.value.reason is Reason.GRAPH_INVALID
    assert caught.value.violations[0].subject == "nodes.1.params.n_components"
    assert engine.dump_weights() == before


def test_nodes_may_have_any_name(engine: TorchEngine) -> None:
    engine.load_pipeline(pipeline({"keys": "SceneInput", "forward": "PixelUnitNormalizer"}, "keys.cube > forward.data"))


def test_while_a_phase_runs_the_session_is_busy(engine: TorchEngine) -> None:
    config = loaded(engine, small("rx"))
    reasons: list[Reason] = []

    def interfere(report: Progress) -> None:
        del report
        if reasons:
            return
        assert config.pipeline is not None
        for action in (
            lambda: engine.load_pipeline(config.pipeline),
            lambda: engine.load_weights(memoryview(b""), strict=True),
            lambda: engine.train(TrainingJob(phase=Phase.STATISTICAL, config=config), lambda _: None),
        ):
            with pytest.raises(Failure) as caught:
                action()
            reasons.append(caught.value.reason)

    engine.train(TrainingJob(phase=Phase.STATISTICAL, config=config), interfere)
    assert reasons == [Reason.SESSION_BUSY, Reason.SESSION_BUSY, Reason.ALREADY_TRAINING]


@pytest.mark.parametrize(("stage", "prefix"), [(Stage.VALIDATE, "val_"), (Stage.TEST, "test_")])
def test_an_evaluation_measures_a_split(engine: TorchEngine, stage: Stage, prefix: str) -> None:
    config = loaded(engine, small("channel_selector"))
    run(engine, Phase.STATISTICAL, config)
    before = engine.dump_weights()
    report = measure(engine, stage, config)
    assert report.stage is stage
    assert f"{prefix}auroc" in report.metrics
    assert f"{prefix}bce_loss" in report.losses
    assert engine.dump_weights() == before


def test_metrics_over_batches_are_those_of_the_whole_scene(engine: TorchEngine) -> None:
    config = loaded(engine, small("rx"))
    run(engine, Phase.STATISTICAL, config)
    whole = dataclasses.replace(config, data=dataclasses.replace(SMALL_DATA, tile_size=None))
    values = [measure(engine, Stage.TEST, split).metrics["test_auroc"] for split in (config, whole)]
    assert values[0] == pytest.approx(values[1])


def test_a_worker_builds_an_engine_without_grpc() -> None:
    code = "import sys, catenary_server.worker as w; w.build_engine('cpu'); sys.exit('grpc' in sys.modules)"
    assert subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=False).returncode == 0


def test_an_unknown_device_is_refused() -> None:
    assert choose_device("cpu") == torch.device("cpu")
    with pytest.raises(Failure) as caught:
        choose_device("cuda:99")
    assert caught.value.reason is Reason.DEVICE_INVALID


def test_the_engine_of_a_worker_knows_the_built_in_nodes() -> None:
    assert "DeepSVDDProjection" in build_engine("cpu").catalog().nodes
