"""Inference by the pipeline of a session, on arrays: one request, a stream of requests, one request in pieces."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any, Final, cast

import grpc

from catenary.v1 import inference_pb2, tensor_pb2
from catenary.v1.inference_requests_pb2 import (
    InferenceChunkedRequest,
    InferenceChunkedRequestHeader,
    InferenceRequest,
    InferenceResponse,
    StreamInferenceRequest,
    StreamInferenceResponse,
)
from catenary_client.calls import rpc_of
from catenary_client.conversation import converse
from catenary_client.errors import UnsupportedError, error_for
from catenary_client.inference_chunks import OutputAssembly, requests
from catenary_client.results import InferenceOutputs, StreamedInference
from catenary_client.session_calls import SessionCalls
from catenary_wire import tensors
from catenary_wire.errors import failure_of, failure_told
from catenary_wire.payloads import Payloads, join, split

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, AsyncIterator, Iterable, Mapping, Sequence
    from contextlib import AbstractContextManager

    from numpy.typing import NDArray

    from catenary_wire.tensors import ArrayLike

CHUNKED_FROM_BYTES: Final = 32 << 20
"""Inputs that have so many bytes together travel in pieces, where the server takes them so: it needs less memory."""

MOST_UNANSWERED: Final = 16
"""Inputs of a stream that are on their way at once: enough to keep a server busy, few enough to hear when it ends."""

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
        """Run the pipeline once; large inputs travel as `infer_chunked` sends them, if the server takes them so.

        Inputs that find room in the session's shared memory do not travel at all.

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
        arrays = _arrays({**(inputs or {}), **more_inputs})
        prompts = _prompts(text_prompt, boxes, points)
        with self._placed(arrays) as placed:
            sent = {name: array for name, array in arrays.items() if name not in placed}
            if sum(array.nbytes for array in sent.values()) >= CHUNKED_FROM_BYTES:
                with contextlib.suppress(UnsupportedError):
                    return await self._infer_chunked(arrays, prompts, outputs, timeout)
            payloads = Payloads()
            request = self._request(sent, prompts, outputs, payloads)
            for name, tensor in placed.items():
                _field(request.inputs, name).CopyFrom(tensor)
            answer = await self._infer_bytes(join(request, payloads), timeout)
        response, received = split(InferenceResponse, answer)
        return _outputs(response, received)

    def _placed(self, arrays: Mapping[str, NDArray[Any]]) -> AbstractContextManager[Mapping[str, tensor_pb2.Tensor]]:
        """What refers to the arrays that are in shared memory, for as long as the context lasts."""
        memory = self._shared_memory
        return contextlib.nullcontext({}) if memory is None else memory.placed(arrays)

    async def infer_chunked(
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
        """Run the pipeline once on inputs of any size, sent and answered in pieces.

        Arguments and failures are those of `infer`; no size is too large for a message, and neither side holds the
        inputs twice.

        Raises:
            LimitExceededError: the server has no room for so much.
            UnsupportedError: the server does not claim `chunked-inference`.
        """
        arrays = _arrays({**(inputs or {}), **more_inputs})
        return await self._infer_chunked(arrays, _prompts(text_prompt, boxes, points), outputs, timeout)

    async def infer_stream(
        self,
        requests: AsyncIterable[Mapping[str, ArrayLike]] | Iterable[Mapping[str, ArrayLike]],
        /,
        *,
        outputs: Sequence[str] = (),
        timeout: float | None = None,  # noqa: ASYNC109 - it travels with the call, and the server keeps to it
    ) -> AsyncIterator[StreamedInference]:
        """Run the pipeline on each of many inputs over one stream; the next are sent while the first are computed.

        Inputs are taken as the server takes them, so that a generator of many need not hold them all. Answers come in
        the order of the inputs; one that fails has its failure, and the others come as if it had not been sent.

        Args:
            requests: the inputs of each inference, as `infer` takes them; iterated in the client's event loop.
            outputs: which outputs to return, as in `infer`.
            timeout: seconds for the whole stream; None waits for ever.

        Raises:
            CatenaryError: the stream itself failed: the session, its pipeline or its worker is gone.
        """
        rpc = rpc_of(StreamInferenceRequest)
        method = cast(
            "grpc.aio.StreamStreamMultiCallable[bytes, bytes]",
            self._channel.stream_stream(rpc.path, request_serializer=None, response_deserializer=None),
        )
        call = method(None, timeout=timeout, metadata=self._caller.metadata)
        unanswered = asyncio.Semaphore(MOST_UNANSWERED)
        try:
            async with contextlib.aclosing(converse(call, self._items(requests, outputs, unanswered))) as answers:
                async for raw in answers:
                    unanswered.release()
                    yield _streamed(raw)
        except grpc.RpcError as error:
            raise error_for(self._caller.explained(failure_of(error)), rpc.path) from error

    async def _items(
        self,
        requests: AsyncIterable[Mapping[str, ArrayLike]] | Iterable[Mapping[str, ArrayLike]],
        outputs: Sequence[str],
        unanswered: asyncio.Semaphore,
    ) -> AsyncIterator[bytes]:
        number = 0
        async for inputs in _each(requests):
            payloads = Payloads()
            request = self._request(_arrays(inputs), inference_pb2.InputBatch(), outputs, payloads)
            await unanswered.acquire()
            yield join(StreamInferenceRequest(correlation_id=str(number), inference=request), payloads)
            number += 1

    def _request(
        self,
        arrays: Mapping[str, NDArray[Any]],
        prompts: inference_pb2.InputBatch,
        outputs: Sequence[str],
        payloads: Payloads,
    ) -> InferenceRequest:
        request = InferenceRequest(session_id=self.session_id, inputs=prompts, output_specs=outputs)
        for name, array in arrays.items():
            _field(request.inputs, name).CopyFrom(payloads.tensor(array))
        return request

    async def _infer_bytes(self, request: bytes, within: float | None) -> bytes:
        rpc = rpc_of(InferenceRequest)
        method = cast(
            "grpc.aio.UnaryUnaryMultiCallable[bytes, bytes]",
            self._channel.unary_unary(rpc.path, request_serializer=None, response_deserializer=None),
        )

        async def attempt(remaining: float | None) -> bytes:
            return await method(request, timeout=remaining, metadata=self._caller.metadata)

        return await self._caller.attempts(rpc, attempt, within=within)

    async def _infer_chunked(
        self,
        arrays: Mapping[str, NDArray[Any]],
        prompts: inference_pb2.InputBatch,
        outputs: Sequence[str],
        within: float | None,
    ) -> InferenceOutputs:
        rpc = rpc_of(InferenceChunkedRequest)
        method = cast(
            "grpc.aio.StreamStreamMultiCallable[bytes, bytes]",
            self._channel.stream_stream(rpc.path, request_serializer=None, response_deserializer=None),
        )

        repeated = False

        async def attempt(remaining: float | None) -> InferenceOutputs:
            nonlocal repeated
            listen_first, repeated = repeated, True
            header = InferenceChunkedRequestHeader(session_id=self.session_id, inputs=prompts, output_specs=outputs)
            answer = OutputAssembly()
            call = method(None, timeout=remaining, metadata=self._caller.metadata)
            pieces = requests(header, arrays)
            async with contextlib.aclosing(converse(call, pieces, listen_first=listen_first)) as answers:
                async for raw in answers:
                    answer.take(raw)
            return answer.outputs()

        return await self._caller.attempts(rpc, attempt, within=within)


def _arrays(inputs: Mapping[str, ArrayLike]) -> dict[str, NDArray[Any]]:
    """The inputs as they are sent; copies only what is not contiguous or not little-endian."""
    arrays = {name: tensors.contiguous(array) for name, array in inputs.items()}
    for array in arrays.values():
        tensors.check_rank(array.shape)
    return arrays


def _field(batch: inference_pb2.InputBatch, name: str) -> tensor_pb2.Tensor:
    """Where the input of this name goes."""
    return getattr(batch, name) if name in _TENSOR_FIELDS else batch.extra_inputs[name]


def _prompts(
    text_prompt: str, boxes: Sequence[inference_pb2.BoundingBox], points: Sequence[inference_pb2.Point]
) -> inference_pb2.InputBatch:
    batch = inference_pb2.InputBatch(text_prompt=text_prompt)
    if boxes:
        batch.bboxes.boxes.extend(boxes)
    if points:
        batch.points.points.extend(points)
    return batch


def _outputs(response: InferenceResponse, received: Payloads) -> InferenceOutputs:
    arrays = {name: received.array(tensor) for name, tensor in response.outputs.items()}
    return InferenceOutputs(arrays, response.metrics)


def _streamed(raw: bytes) -> StreamedInference:
    response, received = split(StreamInferenceResponse, raw)
    number = int(response.correlation_id)
    if response.WhichOneof("outcome") == "failure":
        failure = failure_told(response.failure)
        return StreamedInference(number, error_for(failure, rpc_of(StreamInferenceRequest).path))
    return StreamedInference(number, _outputs(response.result, received))


async def _each(
    requests: AsyncIterable[Mapping[str, ArrayLike]] | Iterable[Mapping[str, ArrayLike]],
) -> AsyncIterator[Mapping[str, ArrayLike]]:
    if hasattr(requests, "__aiter__"):
        async for inputs in cast("AsyncIterable[Mapping[str, ArrayLike]]", requests):
            yield inputs
    else:
        for inputs in requests:
            yield inputs
