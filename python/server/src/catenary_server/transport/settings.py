"""What the transport is told by the composition root."""

from __future__ import annotations

import dataclasses

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
class TransportSettings:
    """Where to listen and what to admit. Port 0 takes a free one."""

    host: str = "127.0.0.1"
    port: int = 0
    sizes: MessageSizes = dataclasses.field(default_factory=MessageSizes)
    reflection: bool = True

    @property
    def address(self) -> str:
        """Host and port as gRPC writes them."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"
