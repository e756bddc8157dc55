"""What the calls of a session have in common: its id, the channel, and the one way of calling."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import grpc

    from catenary_client.calls import Caller
    from catenary_client.shared_memory import SharedMemory


class SessionCalls:
    """Calls that name one session.

    Args:
        session_id: the session, as the server made it.
        channel: connection to its server.
        caller: makes the calls.
        shared_memory: of the session, where inputs are put that fit.
    """

    def __init__(
        self,
        session_id: str,
        channel: grpc.aio.Channel,
        caller: Caller,
        shared_memory: SharedMemory | None = None,
    ) -> None:
        self.session_id = session_id
        self._channel = channel
        self._caller = caller
        self._shared_memory = shared_memory
