"""A socket in the file system, for clients of the same user on the same machine."""

from __future__ import annotations

import os
import socket
import stat
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    import grpc

MAX_PATH_BYTES = 107
"""Longest path that the system takes for a socket, without the byte that ends it."""

_OWNER_ONLY = 0o177


class SocketTakenError(OSError):
    """Somebody serves on this socket, or the path is something else than a socket."""


def listen(server: grpc.aio.Server, path: Path) -> None:
    """Let a server listen on a socket that only this user can connect to. One that a dead server left is replaced.

    Raises:
        SocketTakenError: another server answers there, or the path is a file of another kind.
        RuntimeError: the socket cannot be made, for example because its folder is not there.
    """
    _require_free(path)
    # The file is made with these rights, not given them afterwards: nobody else can slip in between.
    before = os.umask(_OWNER_ONLY)
    try:
        server.add_insecure_port(f"unix:{path}")
    finally:
        os.umask(before)


def _require_free(path: Path) -> None:
    try:
        kind = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(kind):
        message = f"{path} is there and no socket"
        raise SocketTakenError(message)
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            path.unlink()
            return
        except OSError:
            pass
    message = f"another server answers on {path}"
    raise SocketTakenError(message)
