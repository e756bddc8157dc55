"""One call of a page: a stream of responses that goes on as the page gives credit."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final, NoReturn

from catenary.dashboard.v1 import frame_pb2
from catenary_server.transport.web.status import refused
from catenary_wire import fields

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    import grpc
    from google.rpc import status_pb2

MOST_CREDIT: Final = 1 << 31
"""Credit beyond it is forgotten."""

_MESSAGE: Final = frame_pb2.ServerFrame.MESSAGE_FIELD_NUMBER


class Left(Exception):
    """The page has gone."""


class StreamCall:
    """A call over a WebSocket. See `Context`.

    Args:
        call_id: as the page calls it.
        metadata: headers of the call.
        credit: how many messages may be sent before the page gives more; 0 counts as 1.
        send: sends an encoded ServerFrame to the page.
    """

    def __init__(
        self,
        call_id: int,
        metadata: Sequence[tuple[str, str]],
        credit: int,
        send: Callable[[bytes], Awaitable[None]],
    ) -> None:
        self.call_id = call_id
        self._prefix = frame_pb2.ServerFrame(call_id=call_id).SerializeToString()
        self._metadata = metadata
        self._credit = min(credit or 1, MOST_CREDIT)
        self._has_credit = asyncio.Event()
        self._has_credit.set()
        self._send = send

    def give(self, messages: int) -> None:
        """Let so many messages more be sent."""
        self._credit = min(self._credit + messages, MOST_CREDIT)
        if self._credit:
            self._has_credit.set()

    def invocation_metadata(self) -> Sequence[tuple[str, str]]:
        """See `Context`."""
        return self._metadata

    def peer(self) -> str:
        """See `Context`."""
        return "websocket"

    def time_remaining(self) -> None:
        """See `Context`. A page cancels what it no longer wants."""

    async def write(self, message: bytes, /) -> None:
        """Send one message, and wait until there is credit for the next.

        The next is made when it can be sent and not before, so that it is new then: a page that draws slowly misses
        what lay between instead of seeing it late.

        Raises:
            CancelledError: the page has gone, which ends a call like any other caller that goes.
        """
        try:
            # Put together here: protobuf takes milliseconds for what one copy does.
            await self._send(b"".join((self._prefix, fields.header(_MESSAGE, len(message)), message)))
        except Left:
            raise asyncio.CancelledError from None
        self._credit -= 1
        if not self._credit:
            self._has_credit.clear()
            await self._has_credit.wait()

    async def send_initial_metadata(self, _metadata: object, /) -> None:
        """See `Context`. A page needs none."""

    async def abort(self, code: grpc.StatusCode, details: str = "", trailing_metadata: Any = (), /) -> NoReturn:  # noqa: ANN401 - as gRPC has it
        """See `Context`.

        Raises:
            Refused: always.
        """
        raise refused(code, details, trailing_metadata)

    async def end(self, status: status_pb2.Status) -> None:
        """Tell the page that the call is over.

        Raises:
            Left: the page is not there any more.
        """
        ended = frame_pb2.Ended(code=status.code, message=status.message, details=status.details)
        await self._send(frame_pb2.ServerFrame(call_id=self.call_id, ended=ended).SerializeToString())
