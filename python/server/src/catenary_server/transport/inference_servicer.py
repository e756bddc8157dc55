"""InferenceService."""

from __future__ import annotations

from typing import TYPE_CHECKING

from catenary_server.transport.codec.inference import decode_inputs, encode_inference

if TYPE_CHECKING:
    from catenary.v1 import inference_requests_pb2
    from catenary_server.application.inference import Inferences
    from catenary_server.application.sessions import Sessions
    from catenary_server.transport.call import Call


class InferenceServicer:
    """Runs the pipeline of a session. Elements of tensors stay in the raw request, from where the worker takes them."""

    service = "catenary.v1.InferenceService"

    def __init__(self, sessions: Sessions, inferences: Inferences) -> None:
        self._sessions = sessions
        self._inferences = inferences

    async def inference(
        self, request: inference_requests_pb2.InferenceRequest, call: Call
    ) -> inference_requests_pb2.InferenceResponse:
        """See the contract."""
        session = self._sessions.find(call.principal, request.session_id)
        inputs = decode_inputs(request, call.received)
        result = await self._inferences.infer(session, inputs, tuple(request.output_specs))
        return encode_inference(result, call.given)
