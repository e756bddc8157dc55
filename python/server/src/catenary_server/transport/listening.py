"""Addresses that a server listens on."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


class ListenError(OSError):
    """The address cannot be listened on: it is taken, or not of this machine.

    Attributes:
        option: the command-line option that names another one.
    """

    def __init__(self, message: str, option: str = "--port") -> None:
        super().__init__(message)
        self.option = option


def shown(host: str, port: int) -> str:
    """Host and port as URLs and gRPC write them."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def listen(host: str, port: int) -> Sequence[socket.socket]:
    """A listening socket for each address of a host, all on one port; port 0 takes one that is free.

    Raises:
        OSError: an address is taken or not of this machine, or the host has none.
    """
    listening: list[socket.socket] = []
    try:
        for family, _, _, _, address in socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        ):
            wanted = listening[0].getsockname()[1] if listening else port
            listening.append(socket.create_server((str(address[0]), wanted), family=family))
    except OSError:
        for each in listening:
            each.close()
        raise
    return listening
