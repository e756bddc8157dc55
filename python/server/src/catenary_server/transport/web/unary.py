"""Unary RPCs over HTTP, as the Connect protocol has them."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any, Final, NoReturn

import grpc

from catenary_server.domain.failure import Failure, Reason
from catenary_server.transport.interceptors.failures import status as status_of
from catenary_server.transport.interceptors.sizes import size_limit
from catenary_server.transport.web.responses import respond, say
from catenary_server.transport.web.status import Refused, connect_error, refused

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from catenary_server.transport.front_end import FrontEnd
    from catenary_server.transport.guard import UnaryBehaviour
    from catenary_server.transport.methods import Method
    from catenary_server.transport.settings import MessageSizes
    from catenary_server.transport.web.asgi import Receive, Scope, Send

CONTENT_TYPE: Final = "application/proto"
"""The only one that is taken: a page of a stranger cannot send it without asking first, and is told no."""

PROTOCOL_VERSION: Final = "1"
BODY_SECONDS: Final = 30.0
"""Time in which something of a body must come."""

_TIMEOUT_DIGITS: Final = 10


class HttpCall:
    """A call by POST. See `Context`.

    Args:
        headers: of the request.
        timeout: seconds that the caller waits; None for ever.
    """

    def __init__(self, headers: Mapping[str, str], timeout: float | None) -> None:
        self._headers = headers
        self._deadline = None if timeout is None else time.monotonic() + timeout

    def invocation_metadata(self) -> Sequence[tuple[str, str]]:
        """See `Context`."""
        return tuple(self._headers.items())

    def peer(self) -> str:
        """See `Context`."""
        return "http"

    def time_remaining(self) -> float | None:
        """See `Context`."""
        return None if self._deadline is None else self._deadline - time.monotonic()

    async def write(self, _message: bytes, /) -> None:
        """See `Context`. A unary call has one answer, which it returns."""
        raise AssertionError("a unary call does not write")

    async def send_initial_metadata(self, _metadata: object, /) -> None:
        """See `Context`. Headers go with the answer."""

    async def abort(self, code: grpc.StatusCode, details: str = "", trailing_metadata: Any = (), /) -> NoReturn:  # noqa: ANN401 - as gRPC has it
        """See `Context`.

        Raises:
            Refused: always.
        """
        raise refused(code, details, trailing_metadata)


class HttpBody:
    """The body of a request. See `Body`.

    Args:
        receive: gives its parts.
        size: its length as the headers say, or the most that it may have.
    """

    def __init__(self, receive: Receive, size: int) -> None:
        self.size = size
        self.ended = asyncio.Event()
        """Set when all of it is there, or the caller has gone."""
        self._receive = receive

    async def read(self) -> bytes:
        """See `Body.read`.

        Raises:
            Failure: MESSAGE_TOO_LARGE.
            CancelledError: the caller has gone, or sends nothing.
        """
        parts: list[bytes] = []
        size, more = 0, True
        while more:
            message = await self._next()
            parts.append(message["body"])
            size += len(parts[-1])
            more = message.get("more_body", False)
            if size > self.size:
                raise Failure(Reason.MESSAGE_TOO_LARGE, f"the body has more than the {self.size} bytes there may be")
        self.ended.set()
        return parts[0] if len(parts) == 1 else b"".join(parts)

    async def gone(self) -> None:
        """Wait until the caller goes away while it waits for the answer."""
        await self.ended.wait()
        while (await self._receive())["type"] != "http.disconnect":
            pass

    async def _next(self) -> Any:  # noqa: ANN401 - a message of ASGI
        try:
            async with asyncio.timeout(BODY_SECONDS):
                message = await self._receive()
        except TimeoutError:
            message = {"type": "http.disconnect"}
        if message["type"] == "http.disconnect":
            raise asyncio.CancelledError
        return message


class UnaryCalls:
    """Answers `POST /package.Service/Method`.

    Args:
        front: who answers, and the checks before.
        sizes: the most that a request may have.
    """

    def __init__(self, front: FrontEnd, sizes: MessageSizes) -> None:
        self._sizes = sizes
        self._routes = front.routes.routes
        self._behaviours: dict[str, UnaryBehaviour] = {
            path: front.guard.unary(route, path)
            for path, route in self._routes.items()
            if not route.method.client_streaming and not route.method.server_streaming
        }

    async def answer(self, scope: Scope, headers: Mapping[str, str], receive: Receive, send: Send) -> None:
        """Answer one request."""
        path = scope["path"]
        if path not in self._routes:
            await say(send, 404, f"there is no RPC {path}")
            return
        if headers.get("content-type", "").partition(";")[0].strip().lower() != CONTENT_TYPE:
            await say(send, 415, f"send {CONTENT_TYPE}", (("accept-post", CONTENT_TYPE),))
            return
        try:
            response = await self._call(path, headers, receive)
        except Refused as end:
            http_status, body = connect_error(end.status)
            await respond(send, http_status, body, "application/json")
        except Failure as failure:
            told = status_of(failure, path)
            http_status, body = connect_error(refused(told.code, told.details, told.trailing_metadata).status)
            await respond(send, http_status, body, "application/json")
        else:
            if response is not None:
                await respond(send, 200, response, CONTENT_TYPE)

    async def _call(self, path: str, headers: Mapping[str, str], receive: Receive) -> bytes | None:
        """The answer; None if nobody waits for it any more."""
        timeout = _protocol(headers)
        behaviour = self._behaviours.get(path)
        if behaviour is None:
            raise Failure(Reason.FEATURE_DISABLED, f"{path} streams: open it over the WebSocket /streams")
        body = HttpBody(receive, self._size(self._routes[path].method, headers))
        context = HttpCall(headers, timeout)
        work = asyncio.ensure_future(behaviour(body, context))
        gone = asyncio.ensure_future(body.gone())
        try:
            await asyncio.wait((work, gone), timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (work, gone):
                task.cancel()
            await asyncio.wait((work, gone))
        if not work.cancelled():
            return work.result()
        if timeout is not None and (context.time_remaining() or 0.0) <= 0:
            raise refused(grpc.StatusCode.DEADLINE_EXCEEDED, f"{path} took longer than {timeout:g} s")
        return None

    def _size(self, method: Method, headers: Mapping[str, str]) -> int:
        declared = headers.get("content-length", "")
        return int(declared) if declared.isdecimal() else size_limit(method, self._sizes)


def _protocol(headers: Mapping[str, str]) -> float | None:
    """Seconds that the caller waits.

    Raises:
        Failure: MALFORMED_MESSAGE, FEATURE_DISABLED: it speaks something else.
    """
    version = headers.get("connect-protocol-version")
    if version != PROTOCOL_VERSION:
        raise Failure(Reason.MALFORMED_MESSAGE, f"send the header Connect-Protocol-Version: {PROTOCOL_VERSION}")
    if headers.get("content-encoding", "identity").lower() != "identity":
        raise Failure(Reason.FEATURE_DISABLED, "bodies are taken uncompressed")
    timeout = headers.get("connect-timeout-ms")
    if timeout is None:
        return None
    if not (timeout.isascii() and timeout.isdecimal() and len(timeout) <= _TIMEOUT_DIGITS):
        raise Failure(Reason.MALFORMED_MESSAGE, "Connect-Timeout-Ms is a number of milliseconds of at most 10 digits")
    return int(timeout) / 1000
