"""InferenceService."""

from __future__ import annotations

import contextlib
import functools
from typing import TYPE_CHECKING

from catenary_server.transport.codec.inference import decode_inputs, encode_inference

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator

    from catenary.v1 import inference_requests_pb2
    from catenary_server.application.inference import Inferences
    from catenary_server.application.sessions import Sessions
    from catenary_server.domain.assembly import Piece
    from catenary_server.transport.call import Call
    from catenary_server.transport.codec.inference_stream import InferenceStreamCodec


class InferenceServicer:
    """Runs the pipeline of a session. Elements of tensors stay in the raw request, from where the worker takes them."""

    service = "catenary.v1.InferenceService"

    def __init__(self, sessions: Sessions, inferences: Inferences, codec: InferenceStreamCodec) -> None:
        self._sessions = sessions
        self._inferences = inferences
        self._codec = codec

    async def inference(
        self, request: inference_requests_pb2.InferenceRequest, call: Call
    ) -> inference_requests_pb2.InferenceResponse:
        """See the contract."""
        session = self._sessions.find(call.principal, request.session_id)
        inputs = decode_inputs(request.inputs, call.received, shared=self._shared(call))
        result = await self._inferences.infer(session, inputs, tuple(request.output_specs))
        return encode_inference(result, call.given)

    async def stream_inference(self, messages: AsyncIterator[bytes], call: Call) -> AsyncGenerator[bytes, None]:
        """See the contract."""
        find = functools.partial(self._sessions.find, call.principal)
        items = self._codec.items(messages, shared=self._shared(call))
        async with contextlib.aclosing(self._inferences.stream(find, items)) as answers:
            async for answer in answers:
                yield self._codec.answer(answer)

    async def inference_chunked(self, messages: AsyncIterator[bytes], call: Call) -> AsyncGenerator[bytes, None]:
        """See the contract."""
        session_id, announced = await self._codec.header(messages)
        session = self._sessions.find(call.principal, session_id)
        result = await self._inferences.infer_announced(session, announced, self._pieces(messages, call, session_id))
        for response in self._codec.result(result):
            yield response

    def _shared(self, call: Call) -> bool:
        """Whether the caller may name shared memory."""
        return call.local and self._sessions.offered_memory > 0

    async def _pieces(self, messages: AsyncIterator[bytes], call: Call, session_id: str) -> AsyncIterator[Piece]:
        """The pieces, each of which keeps the session alive; when the first is asked for, the header has passed."""
        await call.accept()
        async for piece in self._codec.pieces(messages):
            self._sessions.find(call.principal, session_id)
            yield piece
