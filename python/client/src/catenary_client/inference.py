"""Inference by the pipeline of a session, on arrays."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from catenary.v1 import inference_pb2, tensor_pb2
from catenary.v1.inference_requests_pb2 import InferenceRequest, InferenceResponse
from catenary_client.calls import rpc_of
from catenary_client.results import InferenceOutputs
from catenary_client.session_calls import SessionCalls
from catenary_wire.payloads import Payloads, join, split

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import grpc

    from catenary_wire.tensors import ArrayLike

_TENSOR_FIELDS = frozenset(
    field.name
    for field in inference_pb2.InputBatch.DESCRIPTOR.fields
    if field.message_type is tensor_pb2.Tensor.DESCRIPTOR
)


class InferenceCalls(SessionCalls):
    """The part of a session that deals with inference."""

    async def infer(
        self,
        inputs: Mapping[str, ArrayLike] | None = None,
        /,
        *,
        outputs: Sequence[str] = (),
        text_prompt: str = "",
        boxes: Sequence[inference_pb2.BoundingBox] = (),
        points: Sequence[inference_pb2.Point] = (),
        timeout: float | None = None,  # noqa: ASYNC109 - it travels with the call, and the server keeps to it
        **more_inputs: ArrayLike,
    ) -> InferenceOutputs:
        """Run the pipeline once.

        Args:
            inputs: arrays (numpy or torch) by port name: `cube` [batch, height, width, bands], `wavelengths` in
                nanometres, `mask` [batch, height, width], and any other port of the pipeline; `inputs()` lists them.
            outputs: which outputs to return, each `node.port` or a unique `port`; none means the pipeline's exit ports.
            text_prompt: what to look for, in words.
            boxes: boxes around objects.
            points: points on or beside objects.
            timeout: seconds to wait instead of the client's.
            more_inputs: further inputs, or all of them, as arguments by name.

        Returns:
            Arrays by `node.port`; read-only views of the answer.

        Raises:
            TensorError: an input does not fit its port, is missing, or has no port.
            MessageTooLargeError: request or answer is above the server's limit.
            TypeError: an array has an element type that the contract lacks.
        """
        payloads = Payloads()
        batch = inference_pb2.InputBatch(text_prompt=text_prompt)
        for name, array in {**(inputs or {}), **more_inputs}.items():
            field = getattr(batch, name) if name in _TENSOR_FIELDS else batch.extra_inputs[name]
            field.CopyFrom(payloads.tensor(array))
        if boxes:
            batch.bboxes.boxes.extend(boxes)
        if points:
            batch.points.points.extend(points)
        request = InferenceRequest(session_id=self.session_id, inputs=batch, output_specs=outputs)
        answer = await self._infer_bytes(join(request, payloads), timeout)
        response, received = split(InferenceResponse, answer)
        arrays = {name: received.array(tensor) for name, tensor in response.outputs.items()}
        return InferenceOutputs(arrays, response.metrics)

    async def _infer_bytes(self, request: bytes, within: float | None) -> bytes:
        rpc = rpc_of(InferenceRequest)
        method = cast(
            "grpc.aio.UnaryUnaryMultiCallable[bytes, bytes]",
            self._channel.unary_unary(rpc.path, request_serializer=None, response_deserializer=None),
        )

        async def attempt(remaining: float | None) -> bytes:
            return await method(request, timeout=remaining, metadata=self._caller.metadata)

        return await self._caller.attempts(rpc, attempt, within=within)
