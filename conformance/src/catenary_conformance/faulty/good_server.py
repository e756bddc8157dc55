"""The server that faults are put in front of: `catenary serve`, with two tenants and short times."""

from __future__ import annotations

import hashlib
import os
import secrets
import signal
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

SESSIONS_OF_ONE_PRINCIPAL = 24
HEARTBEAT_SECONDS = 1.0
_STOP_SECONDS = 20.0
_START_SECONDS = 120.0


@dataclass(frozen=True, kw_only=True)
class Principals:
    """Who calls the server, by their tokens.

    Attributes:
        token: of a principal that may do everything.
        second: of another such principal.
        low: of the first principal with the scope `discovery.read` alone.
    """

    token: str
    second: str
    low: str


@dataclass(frozen=True, kw_only=True)
class GoodServer:
    """A running server: where it listens, and who may call it.

    Attributes:
        address: `host:port`.
        socket: `unix:PATH` of the same server.
        alice: token of a principal that may do everything.
        bob: token of another such principal.
        low: token of the first principal with the scope `discovery.read` alone.
        others: further principals, none of whom sees what belongs to another.
        pid: its process.
    """

    address: str
    socket: str
    alice: str
    bob: str
    low: str
    others: tuple[Principals, ...] = ()
    pid: int


class ServerNotStarted(RuntimeError):
    """The server ended before it answered; the message has the end of its log."""


@contextmanager
def good_server(
    folder: Path, *, configs: Path, arguments: Sequence[str] = (), plugins: Path | None = None, others: int = 0
) -> Iterator[GoodServer]:
    """Run `catenary serve` on a free loopback port as long as the block lasts.

    Args:
        folder: where it keeps everything.
        configs: its root of configurations.
        arguments: further arguments of `catenary serve`.
        plugins: folder of installed plugins, which sessions may all load.
        others: how many further pairs of principals it knows.

    Raises:
        ServerNotStarted: it ended before it answered.
    """
    tokens = folder / "tokens"
    alice, bob = _token(tokens, "alice", "*.*"), _token(tokens, "bob", "*.*")
    low = _token(tokens, "alice", "discovery.read")
    further = tuple(_principals(tokens, number) for number in range(others))
    environment = os.environ | ({"PYTHONPATH": _before(plugins, os.environ.get("PYTHONPATH"))} if plugins else {})
    with tempfile.TemporaryDirectory() as short:  # the system takes short paths of sockets only
        socket, log = Path(short) / "s", folder / "log"
        command = [*_command(folder, configs, socket, tokens), *_allowed(plugins), *arguments]
        reader, writer = os.pipe()
        with log.open("ab") as output, os.fdopen(reader) as ready:
            process = subprocess.Popen(  # noqa: S603 - our own server
                [*command, "--port-file", f"/dev/fd/{writer}"],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                pass_fds=[writer],
                start_new_session=True,  # a key that interrupts its client at the terminal is not for it
                env=environment | {"OMP_NUM_THREADS": "1"},
            )
            os.close(writer)
            try:
                address = ready.readline().strip()
                if not address:
                    raise ServerNotStarted(log.read_text(errors="replace")[-2000:])
                yield GoodServer(
                    address=address,
                    socket=f"unix:{socket}",
                    alice=alice,
                    bob=bob,
                    low=low,
                    others=further,
                    pid=process.pid,
                )
            finally:
                _stop(process)


def _command(folder: Path, configs: Path, socket: Path, tokens: Path) -> list[str]:
    options = {
        "--port": "0",
        "--configs": str(configs),
        "--artifacts": str(folder / "artifacts"),
        "--telemetry": str(folder / "telemetry"),
        "--unix-socket": str(socket),
        "--tokens": str(tokens),
        "--max-sessions-per-principal": str(SESSIONS_OF_ONE_PRINCIPAL),
        "--telemetry-heartbeat": str(HEARTBEAT_SECONDS),
    }
    return [
        sys.executable,
        "-m",
        "catenary_server",
        "--no-dashboard",
        *(word for option in options.items() for word in option),
    ]


def _before(folder: Path, paths: str | None) -> str:
    """A search path with the folder in front."""
    return os.pathsep.join([str(folder), *([paths] if paths else [])])


def _allowed(plugins: Path | None) -> list[str]:
    """Every distribution in the folder that offers node types may be loaded."""
    if plugins is None:
        return []
    from importlib.metadata import distributions  # noqa: PLC0415 - only with plugins

    found = [point.name for package in distributions(path=[str(plugins)]) for point in package.entry_points]
    return [word for name in found for word in ("--allow-plugin", name)]


def _principals(file: Path, number: int) -> Principals:
    """A further pair of principals."""
    first, second = f"first-{number}", f"second-{number}"
    return Principals(
        token=_token(file, first, "*.*"), second=_token(file, second, "*.*"), low=_token(file, first, "discovery.read")
    )


def _token(file: Path, principal: str, scopes: str) -> str:
    """A new token, and its line in the file; as `catenary tokens create` makes them, which takes a process each."""
    token = f"catenary_{secrets.token_urlsafe(32)}"
    with file.open("a") as lines:
        lines.write(f"{hashlib.sha256(token.encode()).hexdigest()} {principal} {scopes}\n")
    return token


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
