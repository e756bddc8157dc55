"""A caller of the dashboard's port that can say what no browser would."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import dataclasses
import json
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlsplit

import h11
from google.protobuf.any_pb2 import Any as AnyMessage
from google.rpc import status_pb2
from websockets.asyncio.client import ClientConnection, connect
from wire_client import method

from catenary.dashboard.v1 import frame_pb2
from catenary_wire.errors import Failure, failure_from_status
from catenary_wire.reasons import CODES

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator, Mapping


DEADLINE = 20.0
CONNECT = {"content-type": "application/proto", "connect-protocol-version": "1"}


@dataclasses.dataclass(frozen=True)
class Answer:
    """An answer over HTTP."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def failure(self) -> Failure:
        """Why a call was refused, as a client of gRPC would read it."""
        told = json.loads(self.body)
        names = {code.name.lower().replace("cancelled", "canceled"): code for code in CODES.values()}
        details = [
            AnyMessage(type_url=f"type.googleapis.com/{each['type']}", value=_decoded(each["value"]))
            for each in told["details"]
        ]
        return failure_from_status(
            status_pb2.Status(code=names[told["code"]].value[0], message=told["message"], details=details)
        )


def _decoded(text: str) -> bytes:
    assert "=" not in text
    return base64.b64decode(text + "=" * (-len(text) % 4))


class Http:
    """One connection to the port, for one request after the other."""

    def __init__(self, url: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._host = urlsplit(url).netloc
        self._reader = reader
        self._writer = writer
        self._connection = h11.Connection(h11.CLIENT)

    @classmethod
    @contextlib.asynccontextmanager
    async def open(cls, url: str, tls: ssl.SSLContext | None = None) -> AsyncIterator[Self]:
        """Connect."""
        where = urlsplit(url)
        reader, writer = await asyncio.open_connection(where.hostname, where.port, ssl=tls)
        try:
            yield cls(url, reader, writer)
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    def send(self, verb: str, path: str, headers: Mapping[str, str], body: bytes = b"") -> None:
        """Send a request; a header of None is left out, and so is a body whose length is not declared."""
        fields = {"host": self._host} | dict(headers)
        if verb == "POST" and "transfer-encoding" not in fields:
            fields.setdefault("content-length", str(len(body)))
        target = path.encode().decode("latin-1")
        self._write(h11.Request(method=verb, target=target, headers=list(fields.items())))
        if body:
            self._write(h11.Data(data=body))
        if int(fields.get("content-length", len(body))) == len(body):
            self._write(h11.EndOfMessage())

    async def cut_off(self, said: bytes = b"") -> None:
        """Say something, and wait until the server ends the connection."""
        self._writer.write(said)
        async with asyncio.timeout(DEADLINE):
            with contextlib.suppress(ConnectionResetError):
                while await self._reader.read(65536):
                    pass

    async def answer(self) -> Answer:
        """The answer to what was sent."""
        parts: list[bytes] = []
        head = h11.Response(status_code=500, headers=[])
        async with asyncio.timeout(DEADLINE):
            while not isinstance(event := await self._event(), (h11.EndOfMessage, h11.ConnectionClosed)):
                if isinstance(event, h11.Response):
                    head = event
                elif isinstance(event, h11.Data):
                    parts.append(bytes(event.data))
        headers = {name.decode(): value.decode() for name, value in head.headers}
        if self._connection.our_state is h11.DONE and self._connection.their_state is h11.DONE:
            self._connection.start_next_cycle()
        return Answer(head.status_code, headers, b"".join(parts))

    def _write(self, event: h11.Event) -> None:
        self._writer.write(self._connection.send(event) or b"")

    async def _event(self) -> h11.Event:
        while (event := self._connection.next_event()) is h11.NEED_DATA:
            data = await self._reader.read(65536)
            if not data and self._connection.their_state is h11.SEND_RESPONSE:
                raise ConnectionResetError("no answer came")
            self._connection.receive_data(data)
        assert isinstance(event, h11.Event)
        return event


async def fetch(
    url: str,
    verb: str = "GET",
    path: str = "/",
    headers: Mapping[str, str] | None = None,
    body: bytes = b"",
    *,
    tls: ssl.SSLContext | None = None,
) -> Answer:
    """One request on a connection of its own."""
    async with Http.open(url, tls) as http:
        http.send(verb, path, headers or {}, body)
        return await http.answer()


async def call(url: str, name: str, headers: Mapping[str, str] | None = None, **fields: Any) -> Any:
    """The response of a unary RPC; fails if it is refused."""
    answer = await post(url, name, headers, **fields)
    assert answer.status == 200, answer.body
    return method(name).response.FromString(answer.body)


async def post(url: str, name: str, headers: Mapping[str, str] | None = None, **fields: Any) -> Answer:
    """The answer to a unary RPC."""
    rpc = method(name)
    return await fetch(url, "POST", rpc.path, CONNECT | dict(headers or {}), rpc.request(**fields).SerializeToString())


def bearer(token: str) -> dict[str, str]:
    """Header of the holder of a token."""
    return {"authorization": f"Bearer {token}"}


class PageClient:
    """A page's WebSocket."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self.welcome = frame_pb2.Welcome()
        self._last_call = 0

    @classmethod
    @contextlib.asynccontextmanager
    async def open(
        cls, url: str, token: str = "", *, hello: bool = True, called: str = "", path: str = "/streams", **options: Any
    ) -> AsyncIterator[Self]:
        """Connect, and say Hello unless told otherwise. `called` is the name that the server is called by."""
        where = urlsplit(url.replace("http", "ws", 1))
        options |= {"host": where.hostname, "port": where.port, "max_size": None, "ping_interval": None, "proxy": None}
        options.setdefault("compression", None)
        async with connect(f"{where.scheme}://{called or where.netloc}{path}", **options) as socket:
            page = cls(socket)
            if hello:
                await page.send(hello=frame_pb2.Hello(token=token))
                page.welcome = (await page.read()).welcome
            yield page

    async def send(self, call_id: int = 0, **frame: Any) -> None:
        """Send a frame."""
        await self.socket.send(frame_pb2.ClientFrame(call_id=call_id, **frame).SerializeToString())

    async def read(self) -> frame_pb2.ServerFrame:
        """The next frame."""
        async with asyncio.timeout(DEADLINE):
            raw = await self.socket.recv()
        assert isinstance(raw, bytes)
        return frame_pb2.ServerFrame.FromString(raw)

    async def begin(self, name: str, credit: int = 1, **fields: Any) -> int:
        """Open a call of an RPC that streams."""
        rpc = method(name)
        return await self.begin_raw(rpc.path, rpc.request(**fields).SerializeToString(), credit)

    async def begin_raw(self, path: str, request: bytes, credit: int = 1) -> int:
        """The same by path."""
        self._last_call += 1
        open_frame = frame_pb2.Open(method_path=path, request=request, credit=credit)
        await self.send(self._last_call, open=open_frame)
        return self._last_call

    async def give(self, call_id: int, messages: int = 1) -> None:
        """Give credit."""
        await self.send(call_id, credit=frame_pb2.Credit(messages=messages))

    async def cancel(self, call_id: int) -> None:
        """End a call."""
        await self.send(call_id, cancel=frame_pb2.Cancel())

    async def ended(self) -> frame_pb2.Ended:
        """Read to the end of a call."""
        while (frame := await self.read()).WhichOneof("frame") != "ended":
            pass
        return frame.ended

    async def closed(self) -> tuple[int, str]:
        """Code and reason with which the server closes the connection."""
        async with asyncio.timeout(DEADLINE):
            await self.socket.wait_closed()
        return self.socket.close_code or 0, self.socket.close_reason or ""


def failure_of(ended: frame_pb2.Ended) -> Failure:
    """Why a call ended, as a client of gRPC would read it."""
    return failure_from_status(status_pb2.Status(code=ended.code, message=ended.message, details=list(ended.details)))
