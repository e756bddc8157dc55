"""Inputs and outputs of an inference."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from catenary.v1 import inference_requests_pb2
from catenary_server.domain.failure import Failure, Reason, Violation
from catenary_server.domain.tensor import Tensor
from catenary_server.transport.codec.tensor import decode_tensor, encode_tensor

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from catenary.v1 import inference_pb2, tensor_pb2
    from catenary_server.application.shared_inputs import Input
    from catenary_server.domain.runtime import Inference
    from catenary_wire.payloads import Payloads

_TENSOR_FIELDS = ("wavelengths", "cube", "mask", "mesu_index", "rgb_image", "frame_id")


def decode_inputs(batch: inference_pb2.InputBatch, payloads: Payloads, *, shared: bool = False) -> Mapping[str, Input]:
    """Every input by the name of its port; `shared` says whether the caller may name shared memory.

    Raises:
        Failure: FIELD_INVALID if a name is given twice, and as `decode_tensor`.
    """
    inputs: dict[str, Input] = {**decode_prompts(batch)}
    for name, message in tensors_of(batch):
        if name in inputs:
            fault = Violation(f'inputs.extra_inputs["{name}"]', "this input has a field of its own, which is set too")
            raise Failure(Reason.FIELD_INVALID, f"input {name!r} is given twice", violations=(fault,))
        inputs[name] = decode_tensor(name, message, payloads, shared=shared)
    return inputs


def decode_prompts(batch: inference_pb2.InputBatch) -> dict[str, Tensor]:
    """Inputs that are no tensors on the wire, as the tensors that nodes take.

    `bboxes`: float64 rows `element_id, x_min, y_min, x_max, y_max, object_id` (-1 without one); `points`: float64 rows
    `element_id, x, y, type`, both exact for every number of the contract. `text_prompt`: its UTF-8 bytes as uint8.
    """
    return dict(_prompts(batch))


def encode_inference(result: Inference, payloads: Payloads) -> inference_requests_pb2.InferenceResponse:
    """What a pipeline gave."""
    return inference_requests_pb2.InferenceResponse(
        outputs={name: encode_tensor(tensor, payloads) for name, tensor in result.outputs.items()},
        metrics=result.metrics,
    )


def tensors_of(batch: inference_pb2.InputBatch) -> Iterator[tuple[str, tensor_pb2.Tensor]]:
    """The tensors of a batch by the names of their ports."""
    for name in _TENSOR_FIELDS:
        if batch.HasField(name):  # type: ignore[arg-type] # the names are fields, tested against the descriptor
            yield name, getattr(batch, name)
    yield from batch.extra_inputs.items()


def _prompts(batch: inference_pb2.InputBatch) -> Iterator[tuple[str, Tensor]]:
    if batch.HasField("bboxes"):
        boxes = [_row(box) for box in batch.bboxes.boxes]
        yield "bboxes", Tensor.of(np.array(boxes, np.float64).reshape(-1, 6))
    if batch.HasField("points"):
        points = [(point.element_id, point.x, point.y, point.type) for point in batch.points.points]
        yield "points", Tensor.of(np.array(points, np.float64).reshape(-1, 4))
    if batch.text_prompt:
        yield "text_prompt", Tensor.of(np.frombuffer(batch.text_prompt.encode(), np.uint8))


def _row(box: inference_pb2.BoundingBox) -> tuple[float, ...]:
    owner = box.object_id if box.HasField("object_id") else -1
    return box.element_id, box.x_min, box.y_min, box.x_max, box.y_max, owner
