"""What the guard needs of a call, whichever wire it came by: gRPC, HTTP or a page's WebSocket."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, NoReturn, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    import grpc


class Context(Protocol):
    """One call on its wire. The methods are those that asyncio's gRPC gives a servicer, and mean the same."""

    def invocation_metadata(self) -> Any:  # noqa: ANN401 - pairs, in a class of the runtime's own
        """Headers of the call: pairs of lower-case name and value."""
        ...

    def peer(self) -> str:
        """Where the caller is, as gRPC writes it; `unix:...` for the server's Unix socket."""
        ...

    def time_remaining(self) -> float | None:
        """Seconds to the caller's deadline; None without one."""
        ...

    async def write(self, message: bytes, /) -> None:
        """Send one message of a stream; returns when the caller can take the next."""
        ...

    async def send_initial_metadata(self, metadata: Sequence[tuple[str, str | bytes]], /) -> None:
        """Tell the caller that the call is accepted."""
        ...

    async def abort(
        self,
        code: grpc.StatusCode,
        details: str = "",
        trailing_metadata: Any = (),  # noqa: ANN401 - as above
        /,
    ) -> NoReturn:
        """End the call with a status."""
        ...


class Body(Protocol):
    """The request of a unary call, which may still be on its way."""

    @property
    def size(self) -> int:
        """Bytes that it has; where the caller did not say, the most that it may have."""
        ...

    async def read(self) -> bytes:
        """Take it in.

        Raises:
            Failure: MESSAGE_TOO_LARGE if it turns out larger than it may be.
        """
        ...


@dataclasses.dataclass(frozen=True, slots=True)
class Arrived:
    """A request that the runtime read to its end before it called the handler."""

    raw: bytes

    @property
    def size(self) -> int:
        """See `Body.size`."""
        return len(self.raw)

    async def read(self) -> bytes:
        """See `Body.read`."""
        return self.raw
