"""Boxes, points, words and further inputs of a request reach a node that declares ports for them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from catenary.v1 import inference_pb2
from catenary_server.application.inference import check_inputs
from catenary_server.domain.failure import Failure, Reason
from catenary_server.domain.graph import check_graph
from catenary_server.domain.node import NodeCategory, PortSpec
from catenary_server.domain.pipeline import NodeConfig, PipelineConfig
from catenary_server.domain.tensor import DType
from catenary_server.domain.tensor import Tensor as SentTensor
from catenary_server.engine.torch_engine import TorchEngine
from catenary_server.nodes.catalog import built_in_types
from catenary_server.nodes.node import Declaration, Node, Outputs
from catenary_server.nodes.params import NodeParams
from catenary_server.nodes.ports import boxes_port, cube_port, points_port, text_of, text_port
from catenary_server.transport.codec.inference import decode_inputs
from catenary_wire.payloads import Payloads

if TYPE_CHECKING:
    from torch import Tensor

CUBE = np.arange(2 * 4 * 5 * 3, dtype=np.float32).reshape(2, 4, 5, 3)
PIPELINE = PipelineConfig(nodes=(NodeConfig(name="prompted", class_name="PromptedMask"),))


class PromptedMask(Node[NodeParams]):
    """Marks what lies in boxes, counts positive points for each image, and scales by an extra input."""

    declaration = Declaration(
        category=NodeCategory.MODEL,
        inputs=(
            cube_port("cube", "images"),
            boxes_port(),
            points_port(),
            text_port(),
            PortSpec(name="gain", dtype=DType.FLOAT32, shape=(), optional=True),
        ),
        outputs=(
            PortSpec(name="objects", dtype=DType.INT64, shape=(-1, -1, -1)),
            PortSpec(name="positives", dtype=DType.INT64, shape=(-1,)),
            PortSpec(name="words", dtype=DType.INT64, shape=()),
            cube_port("scaled", "the cube times the gain"),
        ),
    )

    def forward(
        self,
        cube: Tensor,
        bboxes: Tensor | None = None,
        points: Tensor | None = None,
        text_prompt: Tensor | None = None,
        gain: Tensor | None = None,
    ) -> Outputs:
        """Do what is asked."""
        objects = torch.zeros(cube.shape[:3], dtype=torch.int64)
        for image, left, upper, right, lower, number in [] if bboxes is None else bboxes.long().tolist():
            objects[image, upper:lower, left:right] = number
        positives = torch.zeros(len(cube), dtype=torch.int64)
        for image, _, _, kind in [] if points is None else points.long().tolist():
            positives[image] += kind == inference_pb2.POINT_TYPE_POSITIVE
        words = 0 if text_prompt is None else len(text_of(text_prompt).split())
        scaled = cube if gain is None else cube * gain
        return {"objects": objects, "positives": positives, "words": torch.tensor(words), "scaled": scaled}


@pytest.fixture
def engine() -> TorchEngine:
    engine = TorchEngine(built_in_types() | {"PromptedMask": PromptedMask}, "cpu")
    engine.load_pipeline(PIPELINE)
    return engine


def decoded(batch: inference_pb2.InputBatch, payloads: Payloads) -> dict[str, SentTensor]:
    return {name: each for name, each in decode_inputs(batch, payloads).items() if isinstance(each, SentTensor)}


def infer(engine: TorchEngine, batch: inference_pb2.InputBatch, payloads: Payloads) -> dict[str, np.ndarray]:
    inputs = decoded(batch, payloads)
    check_inputs(inputs, check_graph(PIPELINE, engine.catalog().nodes).ports().inputs)
    return {name.partition(".")[2]: each.array() for name, each in engine.infer(inputs, ()).outputs.items()}


def test_every_kind_of_prompt_reaches_the_node(engine: TorchEngine) -> None:
    payloads = Payloads()
    batch = inference_pb2.InputBatch(
        cube=payloads.tensor(CUBE),
        bboxes=inference_pb2.BoundingBoxes(
            boxes=[
                inference_pb2.BoundingBox(element_id=1, x_min=1, y_min=2, x_max=3, y_max=4, object_id=2**31 - 1),
                inference_pb2.BoundingBox(element_id=0, x_min=0, y_min=0, x_max=1, y_max=1),
            ]
        ),
        points=inference_pb2.Points(
            points=[
                inference_pb2.Point(element_id=1, x=1, y=1, type=inference_pb2.POINT_TYPE_POSITIVE),
                inference_pb2.Point(element_id=1, x=1, y=1, type=inference_pb2.POINT_TYPE_NEGATIVE),
            ]
        ),
        text_prompt="plastic between l\u00f6ntils",
        extra_inputs={"gain": payloads.tensor(np.float32(3))},
    )
    found = infer(engine, batch, payloads)
    expected = np.zeros((2, 4, 5), np.int64)
    expected[1, 2:4, 1:3] = 2**31 - 1
    expected[0, 0, 0] = -1
    np.testing.assert_array_equal(found["objects"], expected)
    np.testing.assert_array_equal(found["positives"], [0, 1])
    assert found["words"] == 3
    np.testing.assert_array_equal(found["scaled"], CUBE * 3)


def test_prompts_that_are_not_given_are_not_there(engine: TorchEngine) -> None:
    payloads = Payloads()
    batch = inference_pb2.InputBatch(cube=payloads.tensor(CUBE), bboxes=inference_pb2.BoundingBoxes())
    found = infer(engine, batch, payloads)
    assert not found["objects"].any()
    assert found["words"] == 0
    np.testing.assert_array_equal(found["scaled"], CUBE)


def test_a_prompt_that_no_node_takes_is_refused(engine: TorchEngine) -> None:
    engine.load_pipeline(PipelineConfig(nodes=(NodeConfig(name="unit", class_name="PixelUnitNormalizer"),)))
    payloads = Payloads()
    batch = inference_pb2.InputBatch(extra_inputs={"data": payloads.tensor(CUBE)}, text_prompt="anything")
    with pytest.raises(Failure) as caught:
        engine.infer(decoded(batch, payloads), ())
    assert caught.value.reason is Reason.INPUT_NAME_UNKNOWN
