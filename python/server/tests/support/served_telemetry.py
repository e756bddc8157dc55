"""A server of telemetry alone in this process, and what its tests send to it."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import struct
import zlib
from typing import TYPE_CHECKING, Any, Self

import grpc

from catenary.telemetry.v1 import registration_pb2, stream_pb2, telemetry_pb2, telemetry_service_pb2_grpc
from catenary_server.application.discovery import TelemetryAlone
from catenary_server.domain.telemetry import TelemetryLimits
from catenary_server.telemetry_wiring import TelemetrySettings, telemetry_parts
from catenary_server.transport.front_end import build_telemetry_front_end
from catenary_server.transport.interceptors.authentication import AnonymousAuthenticator
from catenary_server.transport.server import GrpcServer
from catenary_server.transport.settings import TransportSettings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable
    from pathlib import Path

    from catenary_server.application.telemetry import Telemetry
    from catenary_server.transport.front_end import FrontEnd
    from catenary_server.transport.interceptors.authentication import Authenticator

DEADLINE = 20.0
ANYONE = AnonymousAuthenticator()

EOF: Any = grpc.aio.EOF  # type: ignore[attr-defined] # the stubs leave it out
"""What reading from a stream gives at its end."""

Request = stream_pb2.StreamTelemetryRequest
Response = stream_pb2.StreamTelemetryResponse
Image = telemetry_pb2.ImageData


@dataclasses.dataclass(frozen=True)
class Served:
    """A running server."""

    telemetry: Telemetry
    address: str
    channel: grpc.aio.Channel
    stub: Any
    front: FrontEnd


@contextlib.asynccontextmanager
async def serving(
    folder: Path,
    limits: TelemetryLimits | None = None,
    commit_interval: float = 0.01,
    authenticator: Authenticator = ANYONE,
) -> AsyncIterator[Served]:
    """Serve a folder, and connect to the server."""
    settings = TelemetrySettings(folder=folder, limits=limits or TelemetryLimits(), commit_interval=commit_interval)
    async with telemetry_parts(settings) as parts:
        front = build_telemetry_front_end(TransportSettings(), parts, authenticator, TelemetryAlone())
        server = GrpcServer(TransportSettings(), front)
        address = f"127.0.0.1:{await server.start()}"
        async with grpc.aio.insecure_channel(address) as channel:
            stub = telemetry_service_pb2_grpc.TelemetryServiceStub(channel)
            yield Served(parts.telemetry, address, channel, stub, front)
        await server.drain(grace=0)


class Trainer:
    """A writer that numbers its messages."""

    def __init__(self, served: Served, registered: registration_pb2.RegisterTrainingSessionResponse) -> None:
        self.run_id = registered.session_id
        self.epoch = registered.writer_epoch
        self.sequence = registered.resume_from_sequence
        self.token = registered.resume_token
        self.config = registered.server_config
        self.call = served.stub.StreamTelemetry()
        self.seen: list[Response] = []

    @classmethod
    async def register(cls, served: Served, run_id: str = "run", **fields: Any) -> Self:
        """Register a run and open its stream."""
        request = registration_pb2.RegisterTrainingSessionRequest(session_id=run_id, **fields)
        return cls(served, await served.stub.RegisterTrainingSession(request, timeout=DEADLINE))

    async def send(self, *, sequence: int | None = None, **payload: Any) -> int:
        """Send one message, numbered next unless told otherwise."""
        number = self.sequence if sequence is None else sequence
        self.sequence = number + 1
        request = Request(session_id=self.run_id, timestamp_ms=1, sequence=number, writer_epoch=self.epoch, **payload)
        await self.call.write(request)
        return number

    async def until(self, wanted: Callable[[Response], bool]) -> Response:
        """Read until a response is as wanted."""
        async with asyncio.timeout(DEADLINE):
            while True:
                response: Response = await self.call.read()
                assert response is not EOF, "the stream ended"
                self.seen.append(response)
                if wanted(response):
                    return response

    async def until_durable(self, sequence: int | None = None) -> None:
        """Read until everything sent, or everything up to a sequence, is acknowledged as durable."""
        last = self.sequence - 1 if sequence is None else sequence
        await self.until(lambda response: response.ack.durable_sequence >= last)

    async def finish(self) -> list[Response]:
        """Half-close, read to the end and return all responses; the stream must end well."""
        await self.call.done_writing()
        async with asyncio.timeout(DEADLINE):
            while (response := await self.call.read()) is not EOF:
                self.seen.append(response)
            assert await self.call.code() is grpc.StatusCode.OK, await self.call.details()
        return self.seen


def png(width: int = 2, height: int = 2, filler: int = 0) -> bytes:
    """A PNG header of a size, with bytes behind it; nobody here decodes it."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunk = b"IHDR" + header
    return (
        b"\x89PNG\r\n\x1a\n"
        + struct.pack(">I", len(header))
        + chunk
        + struct.pack(">I", zlib.crc32(chunk))
        + bytes(filler)
    )


def batch(index: int = 0, images: int | Iterable[Image] = 0) -> telemetry_pb2.BatchData:
    """The payload of one batch, with these images or with so many that differ."""
    if isinstance(images, int):
        images = [Image(image_bytes=png(filler=20 + i), format="png") for i in range(images)]
    return telemetry_pb2.BatchData(
        epoch=1,
        batch_idx=index,
        batch_size=16,
        batch_loss=1.0 / (index + 1),
        batch_accuracy=0.5,
        global_step=index,
        images=images,
    )
