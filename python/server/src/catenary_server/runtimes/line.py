"""The worker's end of the connection to the front end."""

from __future__ import annotations

import contextlib
import threading
import traceback
from typing import TYPE_CHECKING

from catenary_server.domain.failure import Failure
from catenary_server.runtimes.channel import receive, send_with
from catenary_server.runtimes.messages import Fault, Refusal, Reply, Report

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterator

    from catenary_server.domain.checkpoint import Checkpoint
    from catenary_server.domain.progress import Progress
    from catenary_server.runtimes.frames import Framing, Parcel
    from catenary_server.runtimes.messages import Message


class Line:
    """The worker's end of the connection: several threads answer, one reads."""

    def __init__(self, connection: socket.socket, framing: Framing) -> None:
        self.framing = framing
        self._connection = connection
        self._sending = threading.Lock()

    def messages(self) -> Iterator[Message]:
        """Messages of the front end until it closes its side."""
        with contextlib.suppress(ConnectionResetError):
            while True:
                received, descriptors = receive(self._connection)
                if not received:
                    return
                yield from self.framing.feed(received, descriptors)

    def report(self, call: int, progress: Progress | Checkpoint) -> None:
        """Send a report of a run."""
        self._send(self.framing.pack(Report(call, progress)))

    def answer(self, call: int, method: str, compute: Callable[[], object]) -> None:
        """Compute, and send what came of it: a value, a failure for the client, or a bug for the log.

        When the answer leaves, nothing here refers to the request any more, so its block is released with the answer.
        """
        self._send(self._outcome(call, method, compute))

    def _outcome(self, call: int, method: str, compute: Callable[[], object]) -> Parcel:
        try:
            try:
                return self.framing.pack(Reply(call, compute()))
            except Failure as failure:
                return self.framing.pack(Refusal(call, failure))
        except (Exception, SystemExit):  # noqa: BLE001 - the worker's boundary: a node's bug must not end the session
            return self.framing.pack(Fault(call, method, traceback.format_exc()))

    def _send(self, parcel: Parcel) -> None:
        # A front end that is gone needs no answer: the reading thread has noticed, or is about to.
        with self._sending, contextlib.suppress(BrokenPipeError, ConnectionResetError):
            frame, descriptors = self.framing.frame(parcel)
            sent = send_with(self._connection, frame, descriptors)
            self.framing.sent(parcel)
            self._connection.sendall(memoryview(frame)[sent:])
