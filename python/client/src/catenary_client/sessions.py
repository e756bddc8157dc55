"""A session as an object: its calls, and its end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from catenary.v1 import session_requests_pb2 as session
from catenary.v1.session_service_pb2_grpc import SessionServiceStub
from catenary_client.configs import ConfigCalls
from catenary_client.inference import InferenceCalls
from catenary_client.pipelines import PipelineCalls
from catenary_client.plugins import PluginCalls
from catenary_client.profiling import ProfilingCalls
from catenary_client.training import TrainingCalls

if TYPE_CHECKING:
    from types import TracebackType

    from catenary.v1.session_pb2 import Session as SessionMessage


class AsyncSession(ConfigCalls, PluginCalls, PipelineCalls, TrainingCalls, InferenceCalls, ProfilingCalls):
    """A client's isolated place on the server; made by `AsyncClient.create_session` or `AsyncClient.attach`.

    As a context manager it closes the session at its end.
    """

    async def get(self) -> SessionMessage:
        """What the session is and does now."""
        response = await self._caller.unary(
            SessionServiceStub(self._channel).GetSession, session.GetSessionRequest(session_id=self.session_id)
        )
        return response.session

    async def close(self) -> None:
        """End the session and free what it holds; closing again is no failure."""
        if self._shared_memory is not None:
            self._shared_memory.close()
        await self._caller.unary(
            SessionServiceStub(self._channel).CloseSession, session.CloseSessionRequest(session_id=self.session_id)
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exception_type: type[BaseException] | None,
        exception: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()
