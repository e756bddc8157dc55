"""SessionService."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from catenary.v1 import session_requests_pb2
from catenary_server.domain.failure import Failure, Reason
from catenary_server.transport.codec.session import decode_new_session, encode_search_paths, encode_session

if TYPE_CHECKING:
    from catenary.v1 import session_pb2
    from catenary_server.application.session import Session
    from catenary_server.application.sessions import Sessions
    from catenary_server.transport.call import Call
    from catenary_server.transport.pages import Pages

PAGE_SIZE = 100


class SessionServicer:
    """Opens, looks at and closes sessions."""

    service = "catenary.v1.SessionService"

    def __init__(self, sessions: Sessions, pages: Pages) -> None:
        self._sessions = sessions
        self._pages = pages

    async def create_session(
        self, request: session_requests_pb2.CreateSessionRequest, call: Call
    ) -> session_requests_pb2.CreateSessionResponse:
        """See the contract."""
        wanted = decode_new_session(request)
        if wanted.shared_bytes and not call.local:
            raise Failure(Reason.SHM_DISABLED, "shared memory is for callers on the server's Unix socket: unix:PATH")
        session = await self._sessions.open(call.principal, wanted, request.request_id)
        return session_requests_pb2.CreateSessionResponse(session_id=session.session_id, session=self._encoded(session))

    async def get_session(
        self, request: session_requests_pb2.GetSessionRequest, call: Call
    ) -> session_requests_pb2.GetSessionResponse:
        """See the contract."""
        session = self._sessions.find(call.principal, request.session_id)
        return session_requests_pb2.GetSessionResponse(session=self._encoded(session))

    async def list_sessions(
        self, request: session_requests_pb2.ListSessionsRequest, call: Call
    ) -> session_requests_pb2.ListSessionsResponse:
        """See the contract."""
        page, token = self._pages.cut(
            self._sessions.list(call.principal, request.labels),
            _age,
            size=request.page_size or PAGE_SIZE,
            token=request.page_token,
            selection=json.dumps([self.service, call.principal, sorted(request.labels.items())]),
        )
        return session_requests_pb2.ListSessionsResponse(
            sessions=[self._encoded(session) for session in page], next_page_token=token
        )

    async def set_session_search_paths(
        self, request: session_requests_pb2.SetSessionSearchPathsRequest, call: Call
    ) -> session_requests_pb2.SetSessionSearchPathsResponse:
        """See the contract."""
        session = self._sessions.find(call.principal, request.session_id)
        append = request.append if request.HasField("append") else True
        rejected = self._sessions.set_search_paths(session, tuple(request.search_paths), append=append)
        return session_requests_pb2.SetSessionSearchPathsResponse(
            current_paths=encode_search_paths(session), rejected_paths=rejected
        )

    async def close_session(
        self, request: session_requests_pb2.CloseSessionRequest, call: Call
    ) -> session_requests_pb2.CloseSessionResponse:
        """See the contract."""
        await self._sessions.close(call.principal, request.session_id)
        return session_requests_pb2.CloseSessionResponse()

    def _encoded(self, session: Session) -> session_pb2.Session:
        return encode_session(session, self._sessions.expire_time(session))


def _age(session: Session) -> str:
    """Sorts the oldest first; the id makes it unique."""
    return f"{session.create_time:020.6f} {session.session_id}"
