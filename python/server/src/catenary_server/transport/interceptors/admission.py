"""Bounds on what one principal may have under way at once, and on the memory that large requests may hold."""

from __future__ import annotations

import collections
import contextlib
import dataclasses
from typing import TYPE_CHECKING

from catenary_server.domain.failure import Failure, Reason, Violation

if TYPE_CHECKING:
    from collections.abc import Iterator

    from catenary_server.transport.methods import Method
    from catenary_server.transport.settings import CallLimits

ALWAYS = frozenset({"GetServerInfo", "CloseSession", "StopTrain"})
"""RPCs that are admitted beyond every bound: they tell what is full, or make room."""

RETRY_AFTER_SECONDS = 1.0
"""A call ends soon; a stream may last, and its owner knows which one to close."""


@dataclasses.dataclass(frozen=True, slots=True)
class CallUse:
    """What a principal has under way, beside its bounds."""

    limits: CallLimits
    calls: int
    streams: int


class Admission:
    """Counts calls, streams and bytes while they last. Used on one event loop only."""

    def __init__(self, limits: CallLimits) -> None:
        self._limits = limits
        self._calls: collections.Counter[str] = collections.Counter()
        self._streams: collections.Counter[str] = collections.Counter()
        self._bytes = 0

    def use(self, principal: str) -> CallUse:
        """What the principal has under way now."""
        return CallUse(self._limits, self._calls[principal], self._streams[principal])

    @contextlib.contextmanager
    def call(self, method: Method, principal: str) -> Iterator[None]:
        """Hold a place for a call as long as it lasts.

        Raises:
            Failure: QUOTA_RPCS, or QUOTA_STREAMS for an RPC that streams.
        """
        if method.name in ALWAYS:
            yield
            return
        streams = method.client_streaming or method.server_streaming
        taken, limit = (self._streams, self._limits.streams) if streams else (self._calls, self._limits.calls)
        if taken[principal] >= limit:
            raise _full(principal, limit, streams=streams)
        taken[principal] += 1
        try:
            yield
        finally:
            taken[principal] -= 1
            if not taken[principal]:
                del taken[principal]  # principals come and go; their names need not stay

    @contextlib.contextmanager
    def memory(self, size: int) -> Iterator[None]:
        """Hold room for a message as long as it is worked on; small messages are not counted.

        Raises:
            Failure: QUOTA_MEMORY.
        """
        counted = size if size > self._limits.large_message else 0
        if counted and self._bytes + counted > self._limits.memory:
            raise Failure(
                Reason.QUOTA_MEMORY,
                f"large requests under way hold {self._bytes} of {self._limits.memory} bytes; send it again later",
                violations=(Violation("request_bytes", f"{size} more than the {self._limits.memory} there are"),),
                retry_after=RETRY_AFTER_SECONDS,
            )
        self._bytes += counted
        try:
            yield
        finally:
            self._bytes -= counted


def _full(principal: str, limit: int, *, streams: bool) -> Failure:
    what = "streams" if streams else "calls"
    return Failure(
        Reason.QUOTA_STREAMS if streams else Reason.QUOTA_RPCS,
        f"{limit} {what} are under way for {principal}, which is the limit; end one or wait",
        violations=(Violation(what, f"{limit} of {limit} in use"),),
        retry_after=RETRY_AFTER_SECONDS,
    )
