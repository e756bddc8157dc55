"""ProfilingService."""

from __future__ import annotations

from typing import TYPE_CHECKING

from catenary.v1 import profiling_service_pb2
from catenary_server.transport.codec.profiling import decode_change, decode_stage, encode_summary

if TYPE_CHECKING:
    from catenary_server.application.profiling import Profiling
    from catenary_server.application.sessions import Sessions
    from catenary_server.transport.call import Call


class ProfilingServicer:
    """Measures the nodes of a session's pipeline."""

    service = "catenary.v1.ProfilingService"

    def __init__(self, sessions: Sessions, profiling: Profiling) -> None:
        self._sessions = sessions
        self._profiling = profiling

    async def set_profiling(
        self, request: profiling_service_pb2.SetProfilingRequest, call: Call
    ) -> profiling_service_pb2.SetProfilingResponse:
        """See the contract."""
        session = self._sessions.find(call.principal, request.session_id)
        enabled = await self._profiling.change(session, decode_change(request))
        return profiling_service_pb2.SetProfilingResponse(profiling_enabled=enabled)

    async def get_profiling_summary(
        self, request: profiling_service_pb2.GetProfilingSummaryRequest, call: Call
    ) -> profiling_service_pb2.GetProfilingSummaryResponse:
        """See the contract."""
        session = self._sessions.find(call.principal, request.session_id)
        return encode_summary(await self._profiling.summary(session, decode_stage(request)))
