"""What a servicer method learns about the call beside its request."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from catenary_wire.payloads import Payloads

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping


async def _nothing() -> None:
    pass


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One call that was admitted."""

    principal: str
    """Who calls: owner of sessions and files."""
    metadata: Mapping[str, str | bytes]
    time_remaining: Callable[[], float | None]
    """Seconds to the caller's deadline; None without one."""
    local: bool = False
    """True for a caller on the server's Unix socket: a process of the same user on this machine."""
    received: Payloads = dataclasses.field(default_factory=Payloads)
    """Large bytes of the request; its fields hold tickets for them."""
    accept: Callable[[], Awaitable[None]] = _nothing
    """Tells the sender of a two-way stream, ahead of the first response, that what came so far is accepted.

    Not while a response may be on its way: the runtime sends one thing at a time."""
    given: Payloads = dataclasses.field(default_factory=Payloads)
    """Large bytes of the response; a servicer method puts them here and their tickets into the response."""


@dataclasses.dataclass(frozen=True, slots=True)
class Part:
    """One message of a client's stream."""

    message: Any
    """Of the request type that the contract gives the RPC."""
    received: Payloads
    """Its large bytes; its fields hold tickets for them."""
