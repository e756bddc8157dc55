"""A server of one's own, for as long as a `with` block lasts: for demos, notebooks and tests."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path


class ServerNotStarted(RuntimeError):
    """The server ended before it answered; the message has the end of its log."""


@contextmanager
def local_server(log: Path, arguments: Sequence[str] = (), *, stop_seconds: float = 20.0) -> Iterator[str]:
    """Start `catenary serve` on free loopback ports and yield its `host:port`; stop it at the end of the block.

    Needs the package `catenary-server` in the same environment.

    Args:
        log: file that receives what the server logs.
        arguments: further arguments of `catenary serve`, for example `["--data", "scenes"]`.
        stop_seconds: how long the server may take to stop before it is killed.

    Raises:
        ServerNotStarted: if it ends before it answers requests.
    """
    reader, writer = os.pipe()
    command = [sys.executable, "-m", "catenary_server", "--port", "0", "--dashboard-port", "0"]
    command += ["--port-file", f"/dev/fd/{writer}", *arguments]
    with log.open("ab") as output, os.fdopen(reader) as address:
        process = subprocess.Popen(  # noqa: S603 - our own server
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, pass_fds=[writer]
        )
        os.close(writer)
        try:
            yield _address(address, log)
        finally:
            _stop(process, stop_seconds)


def _address(stream: IO[str], log: Path) -> str:
    """The line that the server writes once it answers; the end of the stream means that it died before."""
    address = stream.readline().strip()
    if not address:
        tail = "\n".join(log.read_text(errors="replace").splitlines()[-15:])
        message = f"the server ended before it answered; its log {log} ends with:\n{tail}"
        raise ServerNotStarted(message)
    return address


def _stop(process: subprocess.Popen[bytes], seconds: float) -> None:
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
