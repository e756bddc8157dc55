from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np
import pytest
from trainruns import SMALL_DATA, loaded, pipeline, run, small, tensors

from catenary_server.domain.failure import Failure, Reason
from catenary_server.domain.training import Phase, Stage, TrainingJob, TrainRunConfig

if TYPE_CHECKING:
    from catenary_scenes import Scene
    from catenary_server.domain.progress import Progress
    from catenary_server.engine.torch_engine import TorchEngine


def test_each_statistical_node_announces_itself_and_counts_its_batches(engine: TorchEngine) -> None:
    reports, closing = run(engine, Phase.STATISTICAL, loaded(engine, small("rx")))
    texts = [report.message for report in reports if report.stage is Stage.TRAIN]
    assert texts == ["Initializing rx ...", "Processing batch 1/3", "Processing batch 2/3", "Processing batch 3/3"]
    assert closing == "Statistical training complete"


def test_nodes_are_fitted_in_graph_order(engine: TorchEngine) -> None:
    reports, _ = run(engine, Phase.STATISTICAL, loaded(engine, small("deep_svdd")))
    announced = [report.message for report in reports if report.message.startswith("Initializing")]
    names = ["normalizer", "pca", "fourier", "projection", "center"]
    assert announced == [f"Initializing {name} ..." for name in names]


def test_reports_carry_place_totals_and_time(engine: TorchEngine) -> None:
    reports, _ = run(engine, Phase.STATISTICAL, loaded(engine, small("rx")))
    last = [report for report in reports if report.stage is Stage.TRAIN][-1]
    assert (last.batches_done, last.batches_total, last.batch_index, last.global_step) == (3, 3, 2, 3)
    assert last.phase is Phase.STATISTICAL
    assert last.time > 1e9
    assert last.remaining_seconds == 0


def test_metrics_close_the_phase_where_the_data_has_ground_truth(engine: TorchEngine) -> None:
    reports, _ = run(engine, Phase.STATISTICAL, loaded(engine, small("rx")))
    assert reports[-1].stage is Stage.VALIDATE
    assert 0 <= reports[-1].metrics["val_auroc"] <= 1


def test_batches_do_not_change_the_statistics(engine: TorchEngine, small_scene: Scene) -> None:
    scores = []
    for tile_size, batch_size in ((8, 3), (7, 2), (24, 1)):
        data = dataclasses.replace(SMALL_DATA, tile_size=tile_size, batch_size=batch_size)
        run(engine, Phase.STATISTICAL, loaded(engine, dataclasses.replace(small("rx"), data=data)))
        scores.append(engine.infer(tensors(small_scene), []).outputs["rx.scores"].array().copy())
    np.testing.assert_allclose(scores[1], scores[0], rtol=1e-5)
    np.testing.assert_allclose(scores[2], scores[0], rtol=1e-5)


def test_a_pipeline_without_statistics_is_done_at_once(engine: TorchEngine) -> None:
    config = TrainRunConfig(
        name="plain",
        pipeline=pipeline({"scene": "SceneInput", "unit": "PixelUnitNormalizer"}, "scene.cube > unit.data"),
        data=SMALL_DATA,
    )
    assert run(engine, Phase.STATISTICAL, loaded(engine, config)) == ([], "Statistical training complete")


def test_a_stop_takes_effect_at_the_next_batch_and_leaves_nothing_half_fitted(
    engine: TorchEngine, small_scene: Scene
) -> None:
    config = loaded(engine, small("rx"))
    reports: list[Progress] = []

    def stop_after_first_batch(report: Progress) -> None:
        reports.append(report)
        if report.message == "Processing batch 1/3":
            assert engine.stop_training()

    with pytest.raises(Failure) as caught:
        engine.train(TrainingJob(phase=Phase.STATISTICAL, config=config), stop_after_first_batch)
    assert caught.value.reason is Reason.TRAIN_CANCELLED
    assert reports[-1].message == "Processing batch 1/3"
    with pytest.raises(Failure) as unfitted:
        engine.infer(tensors(small_scene), [])
    assert unfitted.value.reason is Reason.STATE_INVALID
    assert not engine.stop_training()


def test_a_run_without_data_is_refused_by_its_key(engine: TorchEngine) -> None:
    with pytest.raises(Failure) as caught:
        run(engine, Phase.STATISTICAL, loaded(engine, dataclasses.replace(small("rx"), data=None)))
    assert caught.value.reason is Reason.CONFIG_INVALID
    assert caught.value.violations[0].subject == "data"


def test_an_unknown_metric_node_is_refused_by_its_key(engine: TorchEngine) -> None:
    with pytest.raises(Failure) as caught:
        run(engine, Phase.STATISTICAL, loaded(engine, small("rx", metric_nodes=("auroc", "nowhere"))))
    assert caught.value.reason is Reason.CONFIG_INVALID
    assert [violation.subject for violation in caught.value.violations] == ["metric_nodes.1"]
