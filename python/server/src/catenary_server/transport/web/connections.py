"""Connections that are not left to the other side: uvicorn's protocols, with the bounds that they lack."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from catenary_server.transport.web.frame_rate import FrameRate

if TYPE_CHECKING:
    import asyncio

    from websockets.frames import Frame

REQUEST_SECONDS: Final = 10.0
"""Time in which the headers of a request must come."""
CONTROL_FRAMES_PER_SECOND: Final = 20.0
CONTROL_FRAMES_AT_ONCE: Final = 200.0
UNSUPPORTED: Final = 1003
POLICY: Final = 1008


class HttpConnection(H11Protocol):
    """Ends when a request does not come: whoever opens connections and says nothing would use them up."""

    _expiry: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn narrows it
        """Wait for the first request."""
        super().connection_made(transport)
        self._await_request()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no longer."""
        self._stop_waiting()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take a part of a request; one that has begun must go on to the end of its headers in time."""
        super().data_received(data)
        if self.conn.their_state is not h11.IDLE or self.transport.get_protocol() is not self:
            self._stop_waiting()
        elif self._expiry is None:
            self._await_request()

    def _await_request(self) -> None:
        self._expiry = self.loop.call_later(REQUEST_SECONDS, self.transport.abort)

    def _stop_waiting(self) -> None:
        if self._expiry is not None:
            self._expiry.cancel()
            self._expiry = None


class PageConnection(WebSocketsSansIOProtocol):
    """Takes binary messages only, counts the frames that never reach the application, and ends when told."""

    def __init__(self, *args: Any, **options: Any) -> None:  # noqa: ANN401 - uvicorn's own
        super().__init__(*args, **options)
        self._rate = FrameRate(CONTROL_FRAMES_PER_SECOND, CONTROL_FRAMES_AT_ONCE)

    def shutdown(self) -> None:
        """End the connection at once: pages have had time for their last words, and one may take nothing in."""
        super().shutdown()
        self.transport.abort()

    def handle_text(self, event: Frame) -> None:  # noqa: ARG002 - not looked at
        """Refuse, before anybody decodes it."""
        self._end(UNSUPPORTED, "frames are binary")

    def handle_cont(self, event: Frame) -> None:
        """Take a further piece of a message."""
        if self._counted():
            super().handle_cont(event)

    def handle_ping(self) -> None:
        """Answer."""
        if self._counted():
            super().handle_ping()

    def handle_pong(self, event: Frame) -> None:
        """Take an answer."""
        if self._counted():
            super().handle_pong(event)

    def _counted(self) -> bool:
        if self.close_sent:
            return False
        if self._rate.take():
            return True
        self._end(POLICY, "too many frames")
        return False

    def _end(self, code: int, reason: str) -> None:
        if not self.close_sent:
            self.conn.fail(code, reason)
            self.handle_parser_exception()
