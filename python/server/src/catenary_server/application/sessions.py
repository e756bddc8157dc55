"""Sessions come and go: created within limits, found by their owner only, closed by request or when idle."""

from __future__ import annotations

import asyncio
import collections
import contextlib
import dataclasses
import logging
import secrets
import time
from typing import TYPE_CHECKING

from catenary_server.application.session import Session
from catenary_server.domain.failure import Failure, Reason, Resource, Violation
from catenary_server.domain.session import SessionState
from catenary_server.domain.threads import in_thread

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from catenary_server.domain.config_source import ConfigSource
    from catenary_server.domain.shared_memory import SegmentSource
    from catenary_server.domain.storage import Storage

log = logging.getLogger(__name__)

CLOSED_MEMORY_SECONDS = 3600.0
"""How long the id of a closed session is remembered, so that a second Close succeeds."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class SessionLimits:
    """How many sessions there may be and how long they may idle; times in seconds."""

    per_server: int = 1000
    per_principal: int = 500
    idle_timeout: float = 3600.0
    idle_timeout_min: float = 1.0
    idle_timeout_max: float = 24 * 3600.0
    shared_memory: int = 4 << 30
    """Bytes of shared memory of all sessions together."""
    shared_memory_of_session: int = 1 << 30
    """Bytes of shared memory that one session may ask for."""


@dataclasses.dataclass(frozen=True, slots=True)
class NewSession:
    """What a client asks of a new session; None or empty takes the server's default."""

    idle_timeout: float | None = None
    labels: Mapping[str, str] = dataclasses.field(default_factory=dict)
    device: str = ""
    shared_bytes: int = 0
    """Length of its shared memory in bytes; 0 makes none."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class SessionUse:
    """How many sessions are open, in all and of one principal, beside the limits they have."""

    limits: SessionLimits
    server: int
    principal: int
    memory: float = CLOSED_MEMORY_SECONDS
    training: int = 0
    """Sessions in which a phase or an evaluation goes on."""
    offered_memory: int = 0
    """Bytes of shared memory that a session may ask for, on the server's Unix socket."""


class Sessions:
    """All sessions of this server. Used on one event loop only."""

    def __init__(
        self,
        *,
        configs: ConfigSource,
        storage: Storage,
        limits: SessionLimits,
        devices: Sequence[str],
        segments: SegmentSource | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.limits = limits
        self._configs = configs
        self._storage = storage
        self._devices = devices
        self._segments = segments
        self._clock = clock
        self._sessions: dict[str, Session] = {}
        self._closed: dict[str, tuple[str, float]] = {}
        self._requests: dict[tuple[str, str], tuple[NewSession, str]] = {}
        self._changed = asyncio.Event()

    @property
    def count(self) -> int:
        """Sessions that are open."""
        return len(self._sessions)

    def open_sessions(self) -> tuple[Session, ...]:
        """Every session of every principal, for the end of the server."""
        return tuple(self._sessions.values())

    def use(self, principal: str) -> SessionUse:
        """How many sessions are open and may be."""
        return SessionUse(
            limits=self.limits,
            server=self.count,
            principal=self._count_of(principal),
            training=sum(session.working is not None for session in self._sessions.values()),
            offered_memory=self.offered_memory,
        )

    @property
    def offered_memory(self) -> int:
        """Bytes of shared memory that a session may ask for; 0 if this server makes none."""
        if self._segments is None:
            return 0
        return min(self.limits.shared_memory_of_session, self.limits.shared_memory)

    async def open(self, principal: str, wanted: NewSession, request_id: str = "") -> Session:
        """As `create`, with the shared memory that is wanted.

        Raises:
            Failure: as `create`; SHM_DISABLED if this server makes no shared memory; QUOTA_MEMORY if there is no room
                for it; SESSION_CLOSING if the session is closed meanwhile. There is no session then.
        """
        session = self.create(principal, wanted, request_id)
        if session.making_segment is None:
            return session
        try:
            # A caller that goes leaves the session, which a retry finds.
            await asyncio.shield(session.making_segment)
        except Failure:
            await self._close(session)
            raise
        if session.state is SessionState.CLOSING:
            raise session.closing_failure()
        return session

    def create(self, principal: str, wanted: NewSession, request_id: str = "") -> Session:
        """Open a session; the same request id with the same wish gives the same session again.

        Shared memory that is wanted is being made when this returns; `open` waits for it.

        Raises:
            Failure: QUOTA_SESSIONS, IDEMPOTENCY_CONFLICT, DEVICE_INVALID, FIELD_INVALID for a timeout or a length out
                of bounds, SHM_DISABLED, QUOTA_MEMORY if sessions have as much shared memory as they may.
        """
        repeated = self._repeated(principal, wanted, request_id)
        if repeated is not None:
            return repeated
        self._check_wish(wanted)
        self._check_quota(principal)
        self._check_memory(wanted.shared_bytes)
        now = self._clock()
        session = Session(
            session_id=secrets.token_urlsafe(24),
            principal=principal,
            area=self._storage.area(principal),
            search_paths=self._configs.default_search_paths(),
            labels=wanted.labels,
            device=self._choose_device(wanted.device),
            idle_timeout=wanted.idle_timeout or self.limits.idle_timeout,
            create_time=time.time(),
            last_used=now,
            shared_bytes=wanted.shared_bytes,
        )
        if self._segments is not None and wanted.shared_bytes:
            making = in_thread(self._segments.create, wanted.shared_bytes)
            session.making_segment = asyncio.create_task(making, name="make shared memory")
        self._sessions[session.session_id] = session
        if request_id:
            self._requests[principal, request_id] = (wanted, session.session_id)
        self._changed.set()
        return session

    def find(self, principal: str, session_id: str) -> Session:
        """The session of that id, which this use keeps alive.

        Raises:
            Failure: SESSION_NOT_FOUND if it is unknown, closed, expired or another principal's.
        """
        session = self._sessions.get(session_id)
        if session is None or session.principal != principal:
            raise _not_found(session_id)
        session.last_used = self._clock()
        return session

    def list(self, principal: str, labels: Mapping[str, str]) -> tuple[Session, ...]:
        """The principal's sessions with these labels, in the order of their creation; looking does not keep alive."""
        return tuple(
            session
            for session in self._sessions.values()
            if session.principal == principal and labels.items() <= session.labels.items()
        )

    def expire_time(self, session: Session) -> float | None:
        """When the session ends if it is not used, in Unix seconds; None while a run holds it open."""
        if session.working is not None:
            return None
        return time.time() + session.last_used + session.idle_timeout - self._clock()

    def set_search_paths(self, session: Session, paths: Sequence[str], *, append: bool) -> tuple[str, ...]:
        """Set or extend the search paths and return the rejected ones; with none accepted, the roots are active."""
        accepted, rejected = self._configs.split_search_paths(paths)
        kept: Sequence[Path] = session.search_paths if append else ()
        session.search_paths = tuple(dict.fromkeys((*kept, *accepted))) or self._configs.default_search_paths()
        return rejected

    async def close(self, principal: str, session_id: str) -> None:
        """Close a session: its run ends, its worker ends, its device is free when this returns. Idempotent.

        Raises:
            Failure: SESSION_NOT_FOUND for an id that is unknown or was closed over an hour ago.
        """
        closed = self._closed.get(session_id)
        if closed is not None and closed[0] == principal:
            return
        session = self._sessions.get(session_id)
        if session is None or session.principal != principal:
            raise _not_found(session_id)
        await self._close(session)

    async def close_all(self) -> None:
        """Close every session, for the end of the server."""
        await asyncio.gather(*(self._close(session) for session in tuple(self._sessions.values())))

    async def expire_idle(self) -> None:
        """Close sessions whose idle time is over, for as long as the server lives."""
        while True:
            self._changed.clear()
            for session in tuple(self._sessions.values()):
                if self._expires_in(session) <= 0:
                    log.info("session expired", extra={"session": session.session_id[:8]})
                    await self._close(session)
            self._forget()
            pause = min((self._expires_in(session) for session in self._sessions.values()), default=None)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._changed.wait(), None if pause is None else max(pause, 0.01))

    def _expires_in(self, session: Session) -> float:
        if session.working is not None:
            session.last_used = self._clock()  # a running job holds its session open
        return session.last_used + session.idle_timeout - self._clock()

    async def _close(self, session: Session) -> None:
        session.enter(SessionState.CLOSING)
        pipeline = session.pipeline
        if pipeline is not None:
            run = session.working
            if run is not None:
                with contextlib.suppress(Failure):  # a worker that is gone has stopped
                    await pipeline.worker.stop_training()
            await pipeline.worker.close()
            if run is not None:
                await run.ended()
        if session.making_segment is not None:
            await asyncio.wait({session.making_segment})
            if session.segment is not None:
                await in_thread(session.segment.close)  # gives many pages back, which takes a while
        if self._sessions.pop(session.session_id, None) is not None:
            self._closed[session.session_id] = (session.principal, self._clock())

    def _forget(self) -> None:
        horizon = self._clock() - CLOSED_MEMORY_SECONDS
        self._closed = {key: value for key, value in self._closed.items() if value[1] > horizon}
        self._requests = {
            key: value
            for key, value in self._requests.items()
            if value[1] in self._sessions or value[1] in self._closed
        }

    def _repeated(self, principal: str, wanted: NewSession, request_id: str) -> Session | None:
        earlier = self._requests.get((principal, request_id)) if request_id else None
        if earlier is None:
            return None
        if earlier[0] != wanted:
            raise Failure(
                Reason.IDEMPOTENCY_CONFLICT,
                f"request id {request_id!r} was used for another session; use a new one",
                resource=Resource("request", request_id),
            )
        return self._sessions.get(earlier[1])

    def _check_wish(self, wanted: NewSession) -> None:
        low, high = self.limits.idle_timeout_min, self.limits.idle_timeout_max
        if wanted.idle_timeout is not None and not low <= wanted.idle_timeout <= high:
            fault = Violation("idle_timeout", f"must lie between {low:g} and {high:g} seconds")
            raise Failure(Reason.FIELD_INVALID, f"idle_timeout {fault.description}", violations=(fault,))
        if not self._candidates(wanted.device):
            fault = Violation("device", f"no device {wanted.device!r}; there are: auto, {', '.join(self._devices)}")
            raise Failure(Reason.DEVICE_INVALID, fault.description, violations=(fault,))

    def _check_memory(self, nbytes: int) -> None:
        if not nbytes:
            return
        if not self.offered_memory:
            raise Failure(Reason.SHM_DISABLED, "this server makes no shared memory; send inputs in the message")
        if nbytes > self.offered_memory:
            fault = Violation("shared_memory_size_bytes", f"must be at most {self.offered_memory}")
            raise Failure(Reason.FIELD_INVALID, f"{fault.subject} {fault.description}", violations=(fault,))
        used, limit = sum(session.shared_bytes for session in self._sessions.values()), self.limits.shared_memory
        if used + nbytes > limit:
            raise Failure(
                Reason.QUOTA_MEMORY,
                f"{used} of {limit} bytes of shared memory are in use, no room for {nbytes}; ask for less, or later",
                violations=(Violation("shared_memory_size_bytes", f"{used} of {limit} bytes in use"),),
                retry_after=5.0,
            )

    def _candidates(self, device: str) -> tuple[str, ...]:
        """The devices that a wish leaves: the one, all of a kind (`cuda`), or without a wish all of the best kind."""
        kind = self._devices[0].partition(":")[0] if device in ("", "auto") else device
        return tuple(each for each in self._devices if device == each or kind == each.partition(":")[0])

    def _choose_device(self, device: str) -> str:
        """Of the devices that the wish leaves, the one with the fewest sessions."""
        taken = collections.Counter(session.device for session in self._sessions.values())
        return min(self._candidates(device), key=lambda each: taken[each])

    def _count_of(self, principal: str) -> int:
        return sum(session.principal == principal for session in self._sessions.values())

    def _check_quota(self, principal: str) -> None:
        own = self._count_of(principal)
        for used, limit, whose in (
            (own, self.limits.per_principal, "for you"),
            (self.count, self.limits.per_server, "on this server"),
        ):
            if used >= limit:
                raise Failure(
                    Reason.QUOTA_SESSIONS,
                    f"{limit} sessions are open {whose}, which is the limit; close one",
                    violations=(Violation("sessions", f"{used} of {limit} in use"),),
                    retry_after=5.0,
                )


def _not_found(session_id: str) -> Failure:
    return Failure(
        Reason.SESSION_NOT_FOUND,
        f"Session ID not found: {session_id}; it may have expired or been closed: create a new one",
        resource=Resource("session", session_id),
    )
