from __future__ import annotations

import statistics
import threading
from typing import TYPE_CHECKING

import pytest
from trainruns import loaded, measure, run, small, tensors

from catenary_server.domain.profiling import NodeTimes, ProfilingChange
from catenary_server.domain.training import Phase, Stage, TrainingJob
from catenary_server.engine.profiling import RECENT_CALLS, NodeProfiler

if TYPE_CHECKING:
    from catenary_scenes import Scene
    from catenary_server.domain.progress import Progress
    from catenary_server.domain.training import TrainRunConfig
    from catenary_server.engine.torch_engine import TorchEngine

ON, OFF = ProfilingChange(enabled=True), ProfilingChange(enabled=False)


@pytest.fixture
def config(engine: TorchEngine) -> TrainRunConfig:
    """A Deep SVDD whose statistics are fitted."""
    config = loaded(engine, small("deep_svdd"))
    run(engine, Phase.STATISTICAL, config)
    return config


def counts(engine: TorchEngine, stage: Stage) -> dict[str, int]:
    return {times.node: times.count for times in engine.profile(stage)}


def test_figures_are_those_of_the_calls() -> None:
    profiler = NodeProfiler()
    profiler.change(ON)
    values = [3.0, 1.0, 4.0, 1.5, 9.0]
    with profiler.stage(Stage.TEST):
        for value in values:
            profiler._add("node", value)
    (times,) = profiler.summary(["other", "node"])
    assert (times.node, times.stage, times.count) == ("node", Stage.TEST, 5)
    assert times.mean_ms == pytest.approx(statistics.fmean(values))
    assert times.median_ms == statistics.median(values)
    assert times.std_ms == pytest.approx(statistics.pstdev(values))
    assert (times.min_ms, times.max_ms, times.last_ms) == (1.0, 9.0, 9.0)
    assert times.total_ms == pytest.approx(sum(values))


def test_many_calls_have_the_median_of_the_latest_and_all_else_of_all() -> None:
    profiler = NodeProfiler()
    profiler.change(ON)
    for _ in range(10):
        profiler._add("node", 100.0)
    for _ in range(RECENT_CALLS):
        profiler._add("node", 1.0)
    (times,) = profiler.summary(["node"])
    assert (times.count, times.median_ms, times.max_ms) == (RECENT_CALLS + 10, 1.0, 100.0)


def test_threads_measure_in_stages_of_their_own() -> None:
    profiler = NodeProfiler()
    profiler.change(ON)

    def infer() -> None:
        profiler._add("node", 1.0)

    with profiler.stage(Stage.TRAIN):
        thread = threading.Thread(target=infer)
        thread.start()
        thread.join()
        profiler._add("node", 2.0)
    assert [(times.stage, times.last_ms) for times in profiler.summary(["node"])] == [
        (Stage.TRAIN, 2.0),
        (Stage.INFERENCE, 1.0),
    ]


def test_nothing_is_measured_before_it_is_asked_for(
    engine: TorchEngine, config: TrainRunConfig, small_scene: Scene
) -> None:
    run(engine, Phase.GRADIENT, config)
    engine.infer(tensors(small_scene), [])
    assert engine.profile(None) == ()


def test_every_call_of_every_stage_is_measured(engine: TorchEngine, config: TrainRunConfig, small_scene: Scene) -> None:
    assert engine.set_profiling(ON) is True
    run(engine, Phase.GRADIENT, config)
    measure(engine, Stage.TEST, config)
    for _ in range(4):
        engine.infer(tensors(small_scene), ["scores.scores"])
    assert counts(engine, Stage.TRAIN)["projection"] == 6  # two epochs of three batches
    assert counts(engine, Stage.VALIDATE)["projection"] == 6
    assert counts(engine, Stage.TEST)["projection"] == 3
    assert counts(engine, Stage.INFERENCE)["projection"] == 4
    assert engine._serving is not None
    order = [name for name in engine._serving.graph.order if name in counts(engine, Stage.INFERENCE)]
    assert list(counts(engine, Stage.INFERENCE)) == order
    everything = engine.profile(None)
    assert {times.stage for times in everything} == {Stage.TRAIN, Stage.VALIDATE, Stage.TEST, Stage.INFERENCE}
    assert all(_consistent(times) for times in everything)


def _consistent(times: NodeTimes) -> bool:
    return (
        0 < times.min_ms <= times.median_ms <= times.max_ms
        and times.min_ms <= times.mean_ms <= times.max_ms
        and times.total_ms == pytest.approx(times.count * times.mean_ms)
    )


def test_the_fitting_of_statistics_is_measured(engine: TorchEngine) -> None:
    config = loaded(engine, small("rx"))
    engine.set_profiling(ON)
    run(engine, Phase.STATISTICAL, config)
    assert counts(engine, Stage.TRAIN)["rx"] == 3


def test_measuring_changes_no_loss(engine: TorchEngine, config: TrainRunConfig) -> None:
    plain, _ = run(engine, Phase.GRADIENT, config)
    loaded(engine, config)
    engine.set_profiling(ON)
    run(engine, Phase.STATISTICAL, config)
    measured, _ = run(engine, Phase.GRADIENT, config)
    assert [report.losses for report in measured] == [report.losses for report in plain]


def test_measurements_stay_when_it_is_turned_off_and_go_with_a_reset(
    engine: TorchEngine, config: TrainRunConfig, small_scene: Scene
) -> None:
    engine.set_profiling(ON)
    engine.infer(tensors(small_scene), [])
    assert engine.set_profiling(OFF) is False
    kept = engine.profile(None)
    engine.infer(tensors(small_scene), [])
    assert engine.profile(None) == kept != ()
    engine.set_profiling(ProfilingChange(enabled=True, reset=True))
    assert engine.profile(None) == ()


def test_first_calls_are_left_out_for_each_node_and_stage(
    engine: TorchEngine, config: TrainRunConfig, small_scene: Scene
) -> None:
    engine.set_profiling(ProfilingChange(enabled=True, skip_first=2))
    for _ in range(3):
        engine.infer(tensors(small_scene), ["scores.scores"])
    measure(engine, Stage.TEST, config)
    assert counts(engine, Stage.INFERENCE)["projection"] == 1
    assert counts(engine, Stage.TEST)["projection"] == 1
    engine.set_profiling(ProfilingChange(enabled=True, reset=True))
    for _ in range(3):
        engine.infer(tensors(small_scene), ["scores.scores"])
    assert counts(engine, Stage.INFERENCE)["projection"] == 1


def test_another_pipeline_begins_unmeasured_and_other_weights_go_on(
    engine: TorchEngine, config: TrainRunConfig, small_scene: Scene
) -> None:
    engine.set_profiling(ON)
    engine.load_weights(memoryview(engine.dump_weights()), strict=True)
    engine.infer(tensors(small_scene), [])
    assert engine.profile(None) != ()
    loaded(engine, config)
    assert engine.profile(None) == ()
    run(engine, Phase.STATISTICAL, config)
    assert engine.profile(None) == ()


def test_it_answers_while_a_run_goes_on(engine: TorchEngine, config: TrainRunConfig) -> None:
    engine.set_profiling(ON)
    seen: list[int] = []

    def look(report: Progress) -> None:
        if report.stage is Stage.TRAIN:
            seen.append(counts(engine, Stage.TRAIN)["projection"])

    engine.train(TrainingJob(phase=Phase.GRADIENT, config=config), look)
    assert seen == [1, 2, 3, 4, 5, 6]
