from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from application import Application, content

from catenary.v1 import inference_pb2, tensor_pb2
from catenary_server.transport.codec import inference as codec
from catenary_server.transport.settings import MEBIBYTE
from catenary_wire import to_numpy, to_proto

if TYPE_CHECKING:
    from wire_client import WireClient

CUBE = np.arange(2 * 3 * 4 * 5, dtype=np.float32).reshape(2, 3, 4, 5)


@pytest.fixture
async def loaded(client: WireClient, session_id: str) -> str:
    await client.call("LoadPipeline", session_id=session_id, pipeline={"config_bytes": content()})
    return session_id


async def test_tensors_go_through_bit_for_bit(client: WireClient, loaded: str, app: Application) -> None:
    cube = CUBE.copy()
    cube[0, 0, 0] = np.nan
    answer = await client.call("Inference", session_id=loaded, inputs={"cube": to_proto(cube)})
    assert app.runtime.worker.inputs["cube"].array().tobytes() == cube.tobytes()
    np.testing.assert_array_equal(to_numpy(answer.outputs["detector.scores"]), cube.mean(axis=-1, keepdims=True))
    assert set(answer.metrics) == {"detector.mean"}


async def test_elements_are_views_of_the_request(client: WireClient, loaded: str, app: Application) -> None:
    await client.call("Inference", session_id=loaded, inputs={"cube": to_proto(CUBE)})
    assert isinstance(app.runtime.worker.inputs["cube"].data, memoryview)


async def test_a_cube_above_the_limit_of_control_messages_is_taken(client: WireClient, loaded: str) -> None:
    cube = np.ones((1, 512, 512, 8), np.float32)
    assert cube.nbytes > MEBIBYTE
    answer = await client.call("Inference", session_id=loaded, inputs={"cube": to_proto(cube)})
    assert to_numpy(answer.outputs["detector.scores"]).shape == (1, 512, 512, 1)


async def test_prompts_become_tensors_by_the_name_of_their_field(
    client: WireClient, loaded: str, app: Application
) -> None:
    boxes = {"boxes": [{"element_id": 1, "x_min": 2, "y_min": 3, "x_max": 4, "y_max": 5, "object_id": 6}, {}]}
    await client.call("Inference", session_id=loaded, inputs={"cube": to_proto(CUBE), "bboxes": boxes})
    given = app.runtime.worker.inputs["bboxes"].array()
    np.testing.assert_array_equal(given, [[1, 2, 3, 4, 5, 6], [0, 0, 0, 0, 0, -1]])
    failure = await client.failure(
        "Inference",
        session_id=loaded,
        inputs={"cube": to_proto(CUBE), "points": {"points": [{"x": 1}]}, "text_prompt": "anything"},
    )
    assert failure.reason == "INPUT_NAME_UNKNOWN"
    assert {violation.subject for violation in failure.violations} == {"inputs.points", "inputs.text_prompt"}


FLOAT32 = tensor_pb2.D_TYPE_FLOAT32
SEGMENT = tensor_pb2.ShmRef(name="segment")


@pytest.mark.parametrize(
    ("inputs", "reason"),
    [
        ({}, "INPUT_NAME_MISSING"),
        ({"cube": to_proto(CUBE.astype(np.float64))}, "TENSOR_DTYPE"),
        ({"cube": tensor_pb2.Tensor(shape=[1], raw_data=b"1234")}, "TENSOR_DTYPE"),
        ({"cube": to_proto(CUBE[0])}, "TENSOR_SHAPE"),
        ({"cube": to_proto(CUBE[:, :0])}, "TENSOR_SHAPE"),
        (
            {"cube": tensor_pb2.Tensor(shape=[1, 1, 1, 2], dtype=FLOAT32, raw_data=b"1234")},
            "TENSOR_SIZE_MISMATCH",
        ),
        (
            {"cube": tensor_pb2.Tensor(shape=[1, 1, 1, -1], dtype=FLOAT32, raw_data=b"1234")},
            "TENSOR_SHAPE",
        ),
        (
            {"cube": tensor_pb2.Tensor(shape=[2**62, 2**62, 4, 4], dtype=FLOAT32, raw_data=b"")},
            "TENSOR_SIZE_MISMATCH",
        ),
        ({"cube": to_proto(CUBE), "extra_inputs": {"cube": to_proto(CUBE)}}, "FIELD_INVALID"),
        ({"cube": to_proto(CUBE), "extra_inputs": {"other": to_proto(CUBE)}}, "INPUT_NAME_UNKNOWN"),
        (
            {"cube": tensor_pb2.Tensor(dtype=FLOAT32, shm_ref=SEGMENT)},
            "SHM_DISABLED",
        ),
    ],
)
async def test_a_faulty_input_is_refused_before_the_worker_sees_it(
    client: WireClient, loaded: str, app: Application, inputs: dict[str, object], reason: str
) -> None:
    failure = await client.failure("Inference", session_id=loaded, inputs=inputs)
    assert failure.reason == reason
    assert app.runtime.worker.inputs == {}


def test_every_tensor_field_of_the_batch_is_decoded() -> None:
    fields = inference_pb2.InputBatch.DESCRIPTOR.fields
    tensors = {each.name for each in fields if each.message_type is tensor_pb2.Tensor.DESCRIPTOR}
    assert tensors == set(codec._TENSOR_FIELDS)
