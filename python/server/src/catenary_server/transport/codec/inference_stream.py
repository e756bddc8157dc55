"""Messages of the inference streams: read and checked one by one, written with payloads copied once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from catenary.v1 import inference_pb2, inference_requests_pb2
from catenary_server.application.inference import AnnouncedInputs, StreamItem
from catenary_server.domain.assembly import MIN_PIECE_BYTES, Piece
from catenary_server.domain.failure import Failure, Reason, Violation
from catenary_server.domain.tensor import TensorHeader
from catenary_server.transport.codec.failure import encode_failure
from catenary_server.transport.codec.inference import decode_inputs, decode_prompts, encode_inference, tensors_of
from catenary_server.transport.codec.tensor import DTYPE_NUMBERS, decode_dtype
from catenary_server.transport.interceptors.decoding import decode, encode
from catenary_server.transport.interceptors.sizes import check_size
from catenary_server.transport.methods import contract_methods
from catenary_wire.payloads import Payloads

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from google.protobuf.message import Message

    from catenary_server.application.inference import StreamAnswer
    from catenary_server.domain.runtime import Inference
    from catenary_server.transport.interceptors.rules import FieldRules
    from catenary_server.transport.settings import MessageSizes

STREAMED: Final = contract_methods()["/catenary.v1.InferenceService/StreamInference"]
CHUNKED: Final = contract_methods()["/catenary.v1.InferenceService/InferenceChunked"]


class InferenceStreamCodec:
    """Reads what clients stream into inferences and writes what they get.

    Args:
        rules: field rules of the contract.
        sizes: the largest messages.
    """

    def __init__(self, rules: FieldRules, sizes: MessageSizes) -> None:
        self._rules = rules
        self._sizes = sizes

    async def items(self, messages: AsyncIterator[bytes], *, shared: bool) -> AsyncIterator[StreamItem]:
        """The requests of StreamInference; one that breaks a rule or cannot be decoded has its fault.

        `shared` says whether the caller may name shared memory.

        Raises:
            Failure: MALFORMED_MESSAGE for bytes that are no message, which ends the stream.
        """
        async for raw in messages:
            message, received = decode(STREAMED, raw)
            assert isinstance(message, inference_requests_pb2.StreamInferenceRequest)  # noqa: S101 - for the types
            try:
                self._check(message)
                request = message.inference
                yield StreamItem(
                    correlation_id=message.correlation_id,
                    session_id=request.session_id,
                    inputs=decode_inputs(request.inputs, received, shared=shared),
                    outputs=tuple(request.output_specs),
                )
            except Failure as fault:
                yield StreamItem(correlation_id=message.correlation_id, fault=fault)

    def answer(self, answer: StreamAnswer) -> bytes:
        """One response of StreamInference; a result above the limit of a message is a failure."""
        response = inference_requests_pb2.StreamInferenceResponse(correlation_id=answer.correlation_id)
        try:
            if isinstance(answer.outcome, Failure):
                raise answer.outcome
            given = Payloads()
            response.result.CopyFrom(encode_inference(answer.outcome, given))
            raw = encode(STREAMED, response, given)
            check_size(STREAMED, len(raw), self._sizes)
        except Failure as failure:
            response.failure.CopyFrom(encode_failure(failure.reason, failure.message))
            return response.SerializeToString()
        return raw

    async def header(self, messages: AsyncIterator[bytes]) -> tuple[str, AnnouncedInputs]:
        """The session and the inputs that the first message of InferenceChunked announces.

        Raises:
            Failure: MALFORMED_MESSAGE, TENSOR_DTYPE; FIELD_INVALID if it is no header, names an input twice, or holds
                the elements of a tensor.
        """
        async for raw in messages:
            message, _ = decode(CHUNKED, raw)
            assert isinstance(message, inference_requests_pb2.InferenceChunkedRequest)  # noqa: S101 - for the types
            self._check(message)
            if message.WhichOneof("part") != "header":
                break
            return message.header.session_id, _announced(message.header)
        raise _invalid("header", "comes first and once, before all chunks")

    async def pieces(self, messages: AsyncIterator[bytes]) -> AsyncIterator[Piece]:
        """What follows the header. Chunks have no rules but those that an assembly checks, so no validator sees them.

        Raises:
            Failure: MALFORMED_MESSAGE; FIELD_INVALID for anything that is no chunk.
        """
        async for raw in messages:
            message, received = decode(CHUNKED, raw)
            assert isinstance(message, inference_requests_pb2.InferenceChunkedRequest)  # noqa: S101 - for the types
            if message.WhichOneof("part") != "chunk":
                raise _invalid("chunk", "is all that may follow the header")
            chunk = message.chunk
            yield Piece(chunk.tensor_index, chunk.byte_offset, received.view(chunk.data))

    def result(self, result: Inference) -> Iterator[bytes]:
        """The responses of InferenceChunked: the header, then the bytes of each output in pieces."""
        headers = [
            inference_pb2.TensorHeader(
                name=name, dtype=DTYPE_NUMBERS[tensor.dtype], shape=tensor.shape, size_bytes=tensor.nbytes
            )
            for name, tensor in result.outputs.items()
        ]
        header = inference_requests_pb2.InferenceChunkedResponseHeader(tensors=headers, metrics=result.metrics)
        yield inference_requests_pb2.InferenceChunkedResponse(header=header).SerializeToString()
        for index, tensor in enumerate(result.outputs.values()):
            data = memoryview(tensor.data).cast("B")
            for offset in range(0, data.nbytes, MIN_PIECE_BYTES):
                given = Payloads()
                ticket = given.hold(data[offset : offset + MIN_PIECE_BYTES])
                chunk = inference_pb2.TensorChunk(tensor_index=index, byte_offset=offset, data=ticket)
                yield encode(CHUNKED, inference_requests_pb2.InferenceChunkedResponse(chunk=chunk), given)

    def _check(self, message: Message) -> None:
        # With tickets in the place of payloads, so that the validator copies none.
        self._rules.check(message.DESCRIPTOR.full_name, message.SerializeToString())


def _announced(header: inference_requests_pb2.InferenceChunkedRequestHeader) -> AnnouncedInputs:
    given = decode_prompts(header.inputs)
    for name, _ in tensors_of(header.inputs):
        raise _invalid(f"header.inputs.{name}", "stays unset: tensors are announced in `tensors` and sent in chunks")
    headers: dict[str, TensorHeader] = {}
    for index, each in enumerate(header.tensors):
        if each.name in headers or each.name in given:
            raise _invalid(f"header.tensors[{index}].name", f"{each.name!r} is given twice")
        headers[each.name] = TensorHeader(decode_dtype(each.name, each.dtype), tuple(each.shape), each.size_bytes)
    return AnnouncedInputs(headers=headers, given=given, outputs=tuple(header.output_specs))


def _invalid(subject: str, description: str) -> Failure:
    fault = Violation(subject, description)
    return Failure(Reason.FIELD_INVALID, f"{subject} {description}", violations=(fault,))
