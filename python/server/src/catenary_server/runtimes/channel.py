"""The front end's end of the connection to a worker: frames on a socket, without ever blocking the event loop."""

from __future__ import annotations

import array
import collections
import logging
import pickle
import socket
from typing import TYPE_CHECKING

from catenary_server.runtimes.frames import MAX_DESCRIPTORS

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from catenary_server.runtimes.frames import Framing, Parcel
    from catenary_server.runtimes.messages import Message

RECEIVE_BYTES = 64 << 10
"""Most bytes taken from the socket at once; a buffer below the size that the allocator maps and unmaps each time."""

_logger = logging.getLogger(__name__)


def receive(connection: socket.socket) -> tuple[bytes, list[int]]:
    """Bytes and descriptors that have arrived; no bytes: the other side has closed.

    Raises:
        BlockingIOError: nothing has arrived, and the socket does not block.
    """
    descriptors = array.array("i")
    received, ancillary, _, _ = connection.recvmsg(
        RECEIVE_BYTES, socket.CMSG_SPACE(MAX_DESCRIPTORS * descriptors.itemsize), socket.MSG_CMSG_CLOEXEC
    )
    for level, kind, content in ancillary:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            descriptors.frombytes(content[: len(content) - len(content) % descriptors.itemsize])
    return received, list(descriptors)


class Channel:
    """Sends parcels in order and hands on messages, on one event loop.

    Args:
        loop: the loop that everything happens on.
        connection: our end of the socket pair; becomes non-blocking and belongs to the channel.
        framing: packs and unpacks.
        on_message: called for each message that arrives.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        connection: socket.socket,
        framing: Framing,
        on_message: Callable[[Message], None],
    ) -> None:
        connection.settimeout(0)
        self.framing = framing
        self._loop = loop
        self._connection = connection
        self._on_message = on_message
        self._waiting: collections.deque[Parcel] = collections.deque()
        self._sending: Parcel | None = None
        self._rest = b""
        self._descriptors: tuple[int, ...] = ()
        self._open = True
        loop.add_reader(connection.fileno(), self._read)

    def send(self, parcel: Parcel) -> None:
        """Send after everything sent before; what the socket does not take now is sent when it does."""
        if not self._open:
            self.framing.discard(parcel)
            return
        idle = not self._waiting and self._sending is None
        self._waiting.append(parcel)
        if idle:
            self._write()

    def drain(self) -> None:
        """Hand on everything that has arrived so far: what a worker said before it died still counts."""
        while self._open and self._read():
            pass

    def close_writing(self) -> None:
        """Tell the worker that nothing more will come, which asks it to end."""
        if self._open:
            self._connection.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        """Give up the socket and all blocks. Idempotent."""
        if self._open:
            self._open = False
            self._loop.remove_reader(self._connection.fileno())
            self._loop.remove_writer(self._connection.fileno())
            self._connection.close()
            self._waiting.clear()
            self.framing.close()

    def _read(self) -> bool:
        """Hand on what one call to the socket gives; False if it has nothing more."""
        try:
            received, descriptors = receive(self._connection)
        except (BlockingIOError, ConnectionResetError):
            return False
        if not received:
            self._loop.remove_reader(self._connection.fileno())
            return False
        try:
            for message in self.framing.feed(received, descriptors):
                self._on_message(message)
        except pickle.UnpicklingError:
            # A worker that breaks the protocol is treated as one that closed: the caller kills it and says so.
            _logger.exception("a worker sent what cannot be read")
            self._loop.remove_reader(self._connection.fileno())
            self.close_writing()
            return False
        return True

    def _write(self) -> None:
        try:
            while self._sending is not None or self._waiting:
                self._write_some()
        except BlockingIOError:
            self._loop.add_writer(self._connection.fileno(), self._write)
        except (BrokenPipeError, ConnectionResetError):
            # The worker is gone; its sentinel tells, with the reason.
            self._waiting.clear()
            self._sending = None
            self._loop.remove_writer(self._connection.fileno())
        else:
            self._loop.remove_writer(self._connection.fileno())

    def _write_some(self) -> None:
        if self._sending is None:
            self._sending = self._waiting.popleft()
            self._rest, self._descriptors = self.framing.frame(self._sending)
        sent = send_with(self._connection, self._rest, self._descriptors)
        if self._descriptors:
            self.framing.sent(self._sending)
            self._descriptors = ()
        self._rest = self._rest[sent:]
        if not self._rest:
            self._sending = None


def send_with(connection: socket.socket, frame: bytes, descriptors: tuple[int, ...]) -> int:
    """Send bytes, and descriptors with the first of them; returns how many bytes the socket took."""
    if not descriptors:
        return connection.send(frame)
    rights = (socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", descriptors))
    return connection.sendmsg([frame], [rights])
