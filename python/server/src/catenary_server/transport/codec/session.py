"""Sessions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from catenary.v1 import session_pb2, session_requests_pb2
from catenary_server.application.sessions import NewSession
from catenary_server.domain.session import SessionState
from catenary_server.transport.codec import times
from catenary_server.transport.codec.failure import encode_failure

if TYPE_CHECKING:
    from catenary_server.application.session import Session
    from catenary_server.domain.shared_memory import Segment

_STATES = {state: session_pb2.SessionState.Value(f"SESSION_STATE_{state}") for state in SessionState}


def decode_new_session(request: session_requests_pb2.CreateSessionRequest) -> NewSession:
    """What the client wants of a session."""
    idle_timeout = times.seconds(request.idle_timeout) if request.HasField("idle_timeout") else None
    return NewSession(
        idle_timeout=idle_timeout,
        labels=dict(request.labels),
        device=request.device,
        shared_bytes=request.shared_memory_size_bytes,
    )


def encode_session(session: Session, expire_time: float | None) -> session_pb2.Session:
    """A session as it is now; `expire_time` in Unix seconds."""
    failure = session.failure if session.state is SessionState.FAILED else None
    return session_pb2.Session(
        session_id=session.session_id,
        state=_STATES[session.state],
        create_time=times.timestamp(session.create_time),
        expire_time=None if expire_time is None else times.timestamp(expire_time),
        idle_timeout=times.duration(session.idle_timeout),
        labels=session.labels,
        device=session.device,
        search_paths=encode_search_paths(session),
        run_id=session.run.run_id if session.run is not None and not session.run.finished else "",
        failure=None if failure is None else encode_failure(failure.reason, failure.message),
        pipeline_name="" if session.pipeline is None else session.pipeline.config.metadata.name,
        shared_memory=None if session.segment is None else encode_shared_memory(session.segment),
    )


def encode_shared_memory(segment: Segment) -> session_pb2.SharedMemory:
    """The shared memory of a session."""
    return session_pb2.SharedMemory(name=segment.name, size_bytes=segment.nbytes)


def encode_search_paths(session: Session) -> list[str]:
    """The folders that are searched, first one first."""
    return [str(path) for path in session.search_paths]
