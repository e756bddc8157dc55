from __future__ import annotations

import dataclasses
import threading
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from trainruns import loaded, pipeline, run, small, tensors

from catenary_server.domain.failure import Failure, Reason
from catenary_server.domain.tensor import DType, Tensor
from catenary_server.domain.training import Phase
from catenary_server.engine.inference import as_torch
from catenary_server.engine.torch_engine import TorchEngine
from catenary_server.nodes.catalog import built_in_types
from catenary_server.nodes.pixel_unit_normalizer import PixelUnitNormalizer

if TYPE_CHECKING:
    from pathlib import Path

    from catenary_scenes import Scene
    from catenary_server.domain.training import TrainRunConfig
    from catenary_server.nodes.node import Outputs


@pytest.fixture
def config(engine: TorchEngine) -> TrainRunConfig:
    config = loaded(engine, small("rx"))
    run(engine, Phase.STATISTICAL, config)
    return config


def refused(engine: TorchEngine, inputs: dict[str, Tensor], *outputs: str) -> Failure:
    with pytest.raises(Failure) as caught:
        engine.infer(inputs, outputs)
    return caught.value


def test_without_names_the_outputs_that_leave_the_pipeline_come_back(
    engine: TorchEngine, config: TrainRunConfig, small_scene: Scene
) -> None:
    answer = engine.infer(tensors(small_scene), [])
    assert answer.outputs.keys() == {"rx.scores"}
    assert answer.outputs["rx.scores"].shape == (1, 24, 24, 1)
    assert answer.outputs["rx.scores"].dtype is DType.FLOAT32
    assert answer.metrics == {}


def test_ground_truth_adds_metrics(engine: TorchEngine, config: TrainRunConfig, small_scene: Scene) -> None:
    answer = engine.infer(tensors(small_scene, mask=True), [])
    assert 0 <= answer.metrics["auroc"] <= 1


@pytest.mark.parametrize("name", ["rx.scores", "scores", "scene.cube"])
def test_an_output_is_asked_for_by_node_and_port_or_by_a_port_of_its_own(
    engine: TorchEngine, config: TrainRunConfig, small_scene: Scene, name: str
) -> None:
    answer = engine.infer(tensors(small_scene), [name])
    assert [key for key in answer.outputs if key.endswith(name)] == list(answer.outputs)


def test_an_input_that_is_handed_through_is_not_copied(
    engine: TorchEngine, config: TrainRunConfig, small_scene: Scene
) -> None:
    inputs = tensors(small_scene)
    output = engine.infer(inputs, ["scene.cube"]).outputs["scene.cube"].array()
    assert np.shares_memory(output, inputs["cube"].array())
    np.testing.assert_array_equal(output, inputs["cube"].array())


@pytest.mark.parametrize("name", ["nowhere", "rx.nowhere", "nowhere.scores", ""])
def test_an_unknown_output_is_refused(
    engine: TorchEngine, config: TrainRunConfig, small_scene: Scene, name: str
) -> None:
    assert refused(engine, tensors(small_scene), name).reason is Reason.FIELD_INVALID


def test_an_output_that_depends_on_an_absent_mask_says_so(
    engine: TorchEngine, config: TrainRunConfig, small_scene: Scene
) -> None:
    assert refused(engine, tensors(small_scene), "scene.mask").reason is Reason.INPUT_NAME_MISSING


def test_inputs_are_checked_by_name_type_shape_and_size(
    engine: TorchEngine, config: TrainRunConfig, small_scene: Scene
) -> None:
    cube = tensors(small_scene)["cube"]
    assert refused(engine, {}).reason is Reason.INPUT_NAME_MISSING
    assert refused(engine, {"cube": cube, "cubes": cube}).reason is Reason.INPUT_NAME_UNKNOWN
    assert refused(engine, {"cube": Tensor.of(cube.array().astype(np.float64))}).reason is Reason.TENSOR_DTYPE
    assert refused(engine, {"cube": Tensor.of(cube.array()[0])}).reason is Reason.TENSOR_SHAPE
    short = dataclasses.replace(cube, shape=(1, 24, 24, 13))
    assert refused(engine, {"cube": short}).reason is Reason.TENSOR_SIZE_MISMATCH
    assert refused(engine, {"cube": Tensor.of(cube.array()[..., :5])}).reason is Reason.TENSOR_SHAPE
    mask = Tensor.of(np.zeros((1, 5, 5), np.int32))
    assert refused(engine, {"cube": cube, "mask": mask}).reason is Reason.TENSOR_SHAPE
    wavelengths = Tensor.of(np.zeros((1, 5), np.float32))
    assert refused(engine, {"cube": cube, "wavelengths": wavelengths}).reason is Reason.TENSOR_SHAPE


def test_a_session_without_a_pipeline_says_so(engine: TorchEngine, small_scene: Scene) -> None:
    assert refused(engine, tensors(small_scene)).reason is Reason.STATE_INVALID


def test_a_pipeline_without_statistics_says_what_to_do(engine: TorchEngine, small_scene: Scene) -> None:
    loaded(engine, small("rx"))
    failure = refused(engine, tensors(small_scene))
    assert failure.reason is Reason.STATE_INVALID
    assert "run the statistical phase or load weights" in failure.message


def test_read_only_payloads_are_not_copied() -> None:
    values = np.arange(6, dtype=np.float32)
    payload = memoryview(values.tobytes())
    tensor = as_torch(Tensor(DType.FLOAT32, (2, 3), payload))
    assert tensor.data_ptr() == np.frombuffer(payload, np.float32).ctypes.data


@pytest.mark.parametrize("dtype", list(DType))
def test_every_element_type_becomes_a_torch_tensor(dtype: DType) -> None:
    values = np.zeros((2, 0, 3), dtype.numpy), np.ones((2, 3), dtype.numpy)
    for array in values:
        tensor = as_torch(Tensor.of(array))
        assert tuple(tensor.shape) == array.shape
        assert str(tensor.dtype) == f"torch.{dtype}"


def test_visualizers_write_into_their_folder(engine: TorchEngine, small_scene: Scene, tmp_path: Path) -> None:
    engine.load_pipeline(
        pipeline(
            {
                "unit": "PixelUnitNormalizer",
                "picture": ("FalseColorRGB", {"output_dir": str(tmp_path / "new" / "pictures"), "max_files": 2}),
            },
            "unit.normalized > picture.data",
        )
    )
    for _ in range(3):
        engine.infer({"data": tensors(small_scene)["cube"]}, [])
    names = sorted(place.name for place in (tmp_path / "new" / "pictures").iterdir())
    assert names == ["false_color_0000.png", "false_color_0001.png"]
    engine.infer({"data": tensors(small_scene)["cube"]}, ["unit.normalized"])
    assert len(names) == 2


class Failing(PixelUnitNormalizer):
    """A node with a bug."""

    def forward(self, data: torch.Tensor) -> Outputs:
        raise LookupError(f"/secret/path {data.shape}")


class Greedy(PixelUnitNormalizer):
    """A node that asks for too much."""

    def forward(self, data: torch.Tensor) -> Outputs:
        del data
        raise torch.OutOfMemoryError("Tried to allocate 80 GiB")


@pytest.mark.parametrize(("node", "reason"), [(Failing, Reason.NODE_FAILED), (Greedy, Reason.GPU_OUT_OF_MEMORY)])
def test_what_a_node_raises_reaches_the_client_without_its_text(
    node: type[PixelUnitNormalizer], reason: Reason, small_scene: Scene
) -> None:
    engine = TorchEngine({**built_in_types(), node.__name__: node}, "cpu")
    engine.load_pipeline(pipeline({"broken": node.__name__}))
    failure = refused(engine, {"data": tensors(small_scene)["cube"]})
    assert failure.reason is reason
    assert "'broken'" in failure.message
    assert "secret" not in failure.message


def test_inferences_may_come_from_several_threads(
    engine: TorchEngine, config: TrainRunConfig, small_scene: Scene
) -> None:
    expected = engine.infer(tensors(small_scene), []).outputs["rx.scores"].array()
    answers: list[bool] = []

    def ask() -> None:
        scores = engine.infer(tensors(small_scene), []).outputs["rx.scores"].array()
        answers.append(bool(np.array_equal(scores, expected)))

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert answers == [True] * 4


def test_what_came_in_does_not_go_out_again(engine: TorchEngine, config: TrainRunConfig, small_scene: Scene) -> None:
    assert engine.infer(tensors(small_scene, mask=True), []).outputs.keys() == {"rx.scores"}
