"""What only an accelerator can show: `nox -s gpu` runs these where there is one."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from torch import distributed
from trainruns import loaded, measure, run, small, tensors, with_training

from catenary_server.domain.control import Applied, Command, ControlAction
from catenary_server.domain.failure import Failure, Reason
from catenary_server.domain.pipeline import Connection, NodeConfig, PipelineConfig
from catenary_server.domain.profiling import ProfilingChange
from catenary_server.domain.tensor import Tensor
from catenary_server.domain.training import CallbacksConfig, CheckpointConfig, Phase, Stage, TrainingJob
from catenary_server.engine.devices import list_devices
from catenary_server.engine.ranks import RankTask, joined
from catenary_server.engine.torch_engine import TorchEngine
from catenary_server.nodes.catalog import built_in_types

if TYPE_CHECKING:
    from concurrent.futures import Future
    from pathlib import Path

    from catenary_scenes import Scene
    from catenary_server.domain.checkpoint import Checkpoint
    from catenary_server.domain.progress import Progress

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no accelerator here"),
]
needs_two = pytest.mark.skipif(torch.cuda.device_count() < 2, reason="needs two accelerators")
DEVICES = [f"cuda:{index}" for index in range(max(1, torch.cuda.device_count()))]
UNIT = PipelineConfig(
    nodes=(
        NodeConfig(name="scene", class_name="SceneInput"),
        NodeConfig(name="unit", class_name="PixelUnitNormalizer"),
    ),
    connections=(Connection(source="scene.outputs.cube", target="unit.inputs.data"),),
)


@pytest.fixture
def gpu() -> TorchEngine:
    return TorchEngine(built_in_types(), "cuda:0")


def devices_of(engine: TorchEngine) -> set[str]:
    assert engine._serving is not None
    return {str(tensor.device) for tensor in engine._serving.state_dict().values()}


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("name", ["rx", "deep_svdd", "channel_selector"])
def test_everything_happens_on_the_device_that_was_chosen(device: str, name: str, small_scene: Scene) -> None:
    engine = TorchEngine(built_in_types(), device)
    config = loaded(engine, small(name))
    run(engine, Phase.STATISTICAL, config)
    if config.loss_nodes:
        run(engine, Phase.GRADIENT, config)
    assert devices_of(engine) == {device}
    outputs = engine.infer(tensors(small_scene), []).outputs
    assert all(np.isfinite(tensor.array()).all() for tensor in outputs.values())


def test_devices_are_listed_with_their_memory() -> None:
    found = {device.name: device for device in list_devices()}
    assert found.keys() == {"cpu", *DEVICES}
    for name in DEVICES:
        assert found[name].memory_total_bytes >= found[name].memory_free_bytes > 0
        assert found[name].description


def test_a_phase_may_run_on_the_cpu_of_a_session_with_an_accelerator(gpu: TorchEngine, small_scene: Scene) -> None:
    config = with_training(loaded(gpu, small("deep_svdd")), accelerator="cpu")
    run(gpu, Phase.STATISTICAL, config)
    run(gpu, Phase.GRADIENT, config)
    assert devices_of(gpu) == {"cuda:0"}
    gpu.infer(tensors(small_scene), [])


@pytest.mark.parametrize("name", ["rx", "deep_svdd", "channel_selector"])
def test_detection_is_as_good_as_on_the_cpu(gpu: TorchEngine, engine: TorchEngine, name: str) -> None:
    found = []
    for each in (gpu, engine):
        config = loaded(each, small(name, epochs=5))
        run(each, Phase.STATISTICAL, config)
        if config.loss_nodes:
            run(each, Phase.GRADIENT, config)
        found.append(measure(each, Stage.TEST, config).metrics["test_auroc"])
    assert found[0] == pytest.approx(found[1], abs=0.01)


def test_one_seed_gives_the_same_losses(gpu: TorchEngine) -> None:
    def losses() -> list[dict[str, float]]:
        config = loaded(gpu, small("channel_selector"))
        run(gpu, Phase.STATISTICAL, config)
        return [dict(report.losses) for report in run(gpu, Phase.GRADIENT, config)[0]]

    assert losses() == losses()


def test_a_resumed_run_learns_what_an_uninterrupted_one_learns(gpu: TorchEngine) -> None:
    callbacks = CallbacksConfig(checkpoint=CheckpointConfig())
    config = with_training(loaded(gpu, small("channel_selector", epochs=3)), callbacks=callbacks)
    run(gpu, Phase.STATISTICAL, config)
    whole: list[Progress] = []
    kept: list[Checkpoint] = []
    gpu.train(TrainingJob(phase=Phase.GRADIENT, config=config), whole.append, kept.append)
    resumed: list[Progress] = []
    other = TorchEngine(built_in_types(), "cuda:0")
    loaded(other, config)
    other.train(TrainingJob(phase=Phase.GRADIENT, config=config, checkpoint=kept[0].content), resumed.append)
    assert [each.losses for each in resumed] == [each.losses for each in whole if each.epoch >= 1]


def test_memory_that_runs_out_takes_one_inference_and_not_the_session(gpu: TorchEngine) -> None:
    gpu.load_pipeline(UNIT)
    small_cube = {"cube": Tensor.of(np.ones((1, 4, 4, 16), np.float32))}
    before = gpu.infer(small_cube, [])
    torch.cuda.empty_cache()
    # The bound is on what the allocator holds, without the context. The cube takes 256 MiB, its output as much again.
    room = torch.cuda.memory_reserved(0) + (320 << 20)
    torch.cuda.set_per_process_memory_fraction(room / torch.cuda.get_device_properties(0).total_memory)
    try:
        with pytest.raises(Failure) as caught:
            gpu.infer({"cube": Tensor.of(np.ones((1, 1024, 1024, 64), np.float32))}, [])
        assert caught.value.reason is Reason.GPU_OUT_OF_MEMORY
        after = gpu.infer(small_cube, [])
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    np.testing.assert_array_equal(after.outputs["unit.normalized"].array(), before.outputs["unit.normalized"].array())
    assert torch.cuda.memory_allocated(0) < 64 << 20  # though the exception is still held
    assert torch.cuda.memory_reserved(0) < room - (128 << 20)


def test_synchronised_times_contain_the_work_of_the_device(gpu: TorchEngine) -> None:
    gpu.load_pipeline(UNIT)
    cube = {"cube": Tensor.of(np.ones((1, 512, 512, 64), np.float32))}
    gpu.infer(cube, [])
    gpu.set_profiling(ProfilingChange(enabled=True, synchronize=True, skip_first=1))
    for _ in range(4):
        gpu.infer(cube, [])
    times = {each.node: each for each in gpu.profile(Stage.INFERENCE)}
    assert times["unit"].count == 3
    start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))  # type: ignore[no-untyped-call]  # of torch
    assert gpu._serving is not None
    batch = torch.ones((1, 512, 512, 64), device="cuda:0")
    with torch.inference_mode():
        start.record()
        gpu._serving.node("unit")(data=batch)
        end.record()
    torch.cuda.synchronize()
    assert times["unit"].median_ms >= 0.5 * start.elapsed_time(end)  # the device's own clock


def test_commands_change_a_run_on_the_device(gpu: TorchEngine) -> None:
    config = loaded(gpu, small("deep_svdd"))
    run(gpu, Phase.STATISTICAL, config)
    answers: list[Future[Applied]] = []

    def look(report: Progress) -> None:
        del report
        if not answers:
            answers.append(gpu.control(Command(ControlAction.LEARNING_RATE, 0.125)))

    gpu.train(TrainingJob(phase=Phase.GRADIENT, config=config), look)
    assert answers[0].result(0).new == 0.125


def test_a_process_alone_exchanges_through_nccl(tmp_path: Path) -> None:
    config = small("deep_svdd")
    assert config.pipeline is not None
    task = RankTask(
        pipeline=config.pipeline,
        types={},
        weights=b"",
        config=config,
        checkpoint=None,
        devices=("cuda:0",),
        meeting=str(tmp_path / "meeting"),
    )
    values = torch.tensor([0.5, 3.0], dtype=torch.float64, device="cuda:0")
    with joined(task):
        assert distributed.get_backend() == "nccl"
        distributed.broadcast(values, src=0)
        distributed.all_reduce(values)
    assert values.tolist() == [0.5, 3.0]
    assert not distributed.is_initialized()


@needs_two
def test_two_devices_learn_what_one_learns(gpu: TorchEngine) -> None:
    config = loaded(gpu, small("deep_svdd"))
    assert config.data is not None
    config = dataclasses.replace(config, data=dataclasses.replace(config.data, tile_size=12, batch_size=4))
    run(gpu, Phase.STATISTICAL, config)
    start = gpu.dump_weights()
    alone, _ = run(gpu, Phase.GRADIENT, config)
    gpu.load_weights(memoryview(start), strict=True)
    together, _ = run(gpu, Phase.GRADIENT, with_training(config, devices=2))
    for one, two in zip(alone, together, strict=True):
        assert two.losses == pytest.approx(one.losses, rel=5e-3)
