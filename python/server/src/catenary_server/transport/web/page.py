"""One page's WebSocket: who it speaks for, and the calls it has open."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Final

import grpc
from google.protobuf.message import DecodeError
from google.rpc import status_pb2

from catenary.dashboard.v1 import frame_pb2
from catenary_server.domain.failure import Failure, Reason
from catenary_server.transport.interceptors.failures import status as status_of
from catenary_server.transport.web.frame_rate import FrameRate
from catenary_server.transport.web.status import Refused, refused
from catenary_server.transport.web.stream_call import Left, StreamCall

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from catenary_server.transport.guard import Guard, StreamBehaviour
    from catenary_server.transport.web.asgi import Receive, Send

HELLO_SECONDS: Final = 10.0
CLOSE_SECONDS: Final = 1.0
"""Time for the last words to a page; one that takes nothing in does not get them."""
MOST_CALLS: Final = 64
"""Calls that a page may have open at once."""
FRAMES_PER_SECOND: Final = 2000.0
"""Far above what a page has to say, which is one Credit for each message that it drew."""

UNSUPPORTED: Final = 1003
POLICY: Final = 1008
RESTARTING: Final = 1012


class Broken(Exception):
    """The page does not keep to the protocol."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code


class Page:
    """Speaks with one page until it leaves.

    Args:
        guard: knows callers.
        behaviours: what answers each RPC that streams its responses, by path.
        receive: gives what the page sends.
        send: sends to the page.
    """

    def __init__(self, guard: Guard, behaviours: Mapping[str, StreamBehaviour], receive: Receive, send: Send) -> None:
        self._guard = guard
        self._behaviours = behaviours
        self._receive = receive
        self._send_message = send
        self._rate = FrameRate(FRAMES_PER_SECOND, 2 * FRAMES_PER_SECOND)
        self._metadata: Sequence[tuple[str, str]] = ()
        self._task: asyncio.Task[None] | None = None
        self._dismissed = ""
        self._closed = False
        self._last_call = 0
        self._calls: dict[int, tuple[StreamCall, asyncio.Task[None]]] = {}

    async def run(self) -> None:
        """Speak with the page, which was accepted; returns when it has left, or was sent away."""
        self._task = asyncio.current_task()
        try:
            await self._greet()
            while True:
                await self._obey(await self._frame())
        except Broken as broken:
            await self._close(broken.code, str(broken))
        except Left:
            pass
        except asyncio.CancelledError:
            if not self._dismissed:
                raise
            await self._cancel_all()
            await self._close(RESTARTING, self._dismissed)
        finally:
            await self._cancel_all()

    def dismiss(self, reason: str) -> None:
        """End the connection, but not the page's interest: it comes back, and says again who it speaks for."""
        if self._task is not None and not self._dismissed:
            self._dismissed = reason
            self._task.cancel()

    async def _greet(self) -> None:
        try:
            frame = await asyncio.wait_for(self._frame(), HELLO_SECONDS)
        except TimeoutError:
            raise Broken(POLICY, "no Hello came") from None
        if frame.WhichOneof("frame") != "hello":
            raise Broken(POLICY, "the first frame is Hello")
        if frame.hello.token:
            self._metadata = (("authorization", f"Bearer {frame.hello.token}"),)
        try:
            identity = self._guard.identify(dict(self._metadata))
        except Failure as failure:
            raise Broken(POLICY, failure.reason) from failure
        welcome = frame_pb2.Welcome(principal=identity.principal, scopes=sorted(identity.scopes))
        await self._send(frame_pb2.ServerFrame(welcome=welcome).SerializeToString())

    async def _frame(self) -> frame_pb2.ClientFrame:
        message = await self._receive()
        if message["type"] == "websocket.disconnect":
            self._closed = True
            raise Left
        raw = message.get("bytes")
        if raw is None:
            raise Broken(UNSUPPORTED, "frames are binary")
        if not self._rate.take():
            raise Broken(POLICY, "too many frames")
        try:
            return frame_pb2.ClientFrame.FromString(raw)
        except DecodeError:
            raise Broken(POLICY, "the message is no ClientFrame") from None

    async def _obey(self, frame: frame_pb2.ClientFrame) -> None:
        known = self._calls.get(frame.call_id)
        match frame.WhichOneof("frame"):
            case "open":
                await self._open(frame.call_id, frame.open)
            case "credit":
                if known is not None:
                    known[0].give(frame.credit.messages)
            case "cancel":
                if known is not None:
                    known[1].cancel()
            case _:
                raise Broken(POLICY, "after Hello come Open, Credit and Cancel")

    async def _open(self, call_id: int, request: frame_pb2.Open) -> None:
        if call_id <= self._last_call:
            raise Broken(POLICY, "a call has a number above those before")
        self._last_call = call_id
        call = StreamCall(call_id, self._metadata, request.credit, self._send)
        path = request.method_path
        if len(self._calls) >= MOST_CALLS:
            failure = Failure(Reason.QUOTA_STREAMS, f"a page has at most {MOST_CALLS} calls open; end one")
            await call.end(_status(failure, path))
        elif path not in self._behaviours:
            failure = Failure(Reason.FEATURE_DISABLED, f"no RPC {path!r} streams its responses only")
            await call.end(_status(failure, ""))
        else:
            task = asyncio.create_task(self._answer(call, path, request.request), name=f"{path} of a page")
            self._calls[call_id] = call, task
            task.add_done_callback(lambda _: self._calls.pop(call_id, None))

    async def _answer(self, call: StreamCall, path: str, request: bytes) -> None:
        try:
            await self._behaviours[path](request, call)
            end = status_pb2.Status()
        except Refused as refusal:
            end = refusal.status
        except asyncio.CancelledError:
            end = refused(grpc.StatusCode.CANCELLED, "the page cancelled the call").status
        with contextlib.suppress(Left):
            await call.end(end)

    async def _send(self, frame: bytes) -> None:
        """Send an encoded ServerFrame; raises `Left` if nobody is there any more."""
        if self._closed:
            raise Left
        try:
            await self._send_message({"type": "websocket.send", "bytes": frame})
        except OSError:
            raise Left from None

    async def _close(self, code: int, reason: str) -> None:
        """Say why the connection ends, to a page that listens still."""
        self._closed = True
        with contextlib.suppress(OSError, TimeoutError):
            async with asyncio.timeout(CLOSE_SECONDS):
                await self._send_message({"type": "websocket.close", "code": code, "reason": reason})

    async def _cancel_all(self) -> None:
        """End every call. Nothing more is sent: the page may take nothing in, and the calls may not wait for it."""
        self._closed = True
        tasks = [task for _, task in self._calls.values()]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)


def _status(failure: Failure, path: str) -> status_pb2.Status:
    told = status_of(failure, path)
    return refused(told.code, told.details, told.trailing_metadata).status
