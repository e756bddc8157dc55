"""What the transport is told by the composition root."""

from __future__ import annotations

import dataclasses
from pathlib import Path  # noqa: TC003 - a dataclass field
from typing import TYPE_CHECKING

from catenary_server.transport.listening import shown

if TYPE_CHECKING:
    import grpc

MEBIBYTE = 1024 * 1024


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class MessageSizes:
    """Largest message of each kind of RPC, in bytes."""

    control: int = MEBIBYTE
    telemetry: int = 8 * MEBIBYTE
    chunk: int = 8 * MEBIBYTE
    inference: int = 300 * MEBIBYTE
    weights: int = 300 * MEBIBYTE

    @property
    def largest(self) -> int:
        """The largest of all."""
        return max(self.control, self.telemetry, self.chunk, self.inference, self.weights)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class CallLimits:
    """What may be under way at once, and how long a connection lives."""

    calls: int = 256
    """Unary calls of one principal."""
    streams: int = 512
    """Streams of one principal."""
    memory: int = 1024 * MEBIBYTE
    """Bytes of large requests, of all principals together."""
    large_message: int = MEBIBYTE
    """Bytes above which a request counts as large."""
    connection_age: float = 3600.0
    """Seconds after which a connection takes no new calls; the client connects again, unnoticed."""
    connection_grace: float = 24 * 3600.0
    """Seconds that the calls on such a connection still have."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class TransportSettings:
    """Where to listen, to whom, and what to admit. Port 0 takes a free one."""

    host: str = "127.0.0.1"
    port: int = 0
    sizes: MessageSizes = dataclasses.field(default_factory=MessageSizes)
    limits: CallLimits = dataclasses.field(default_factory=CallLimits)
    reflection: bool = True
    loopback: bool = True
    """True if only this machine can connect; then reflection needs no authentication."""
    credentials: grpc.ServerCredentials | None = None
    """Of an encrypted port; None does not encrypt."""
    unix_socket: Path | None = None
    """A socket for clients of the same user on this machine, beside the port."""

    @property
    def address(self) -> str:
        """Host and port as gRPC writes them."""
        return shown(self.host, self.port)
