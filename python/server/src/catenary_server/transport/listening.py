"""Addresses that a server listens on."""

from __future__ import annotations

import errno
import socket
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_NOT_HERE: Final = frozenset({errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT})
"""A host may have addresses that this machine lacks: `localhost` one of IPv6."""


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
    """A listening socket for each address of a host that this machine has, all on one port; port 0 takes a free one.

    Raises:
        OSError: the port is taken, or no address of the host is of this machine.
    """
    listening: list[socket.socket] = []
    absent: OSError | None = None
    for family, address in _addresses(host, port):
        wanted = listening[0].getsockname()[1] if listening else port
        try:
            both = address == "::" and socket.has_dualstack_ipv6()
            listening.append(socket.create_server((address, wanted), family=family, dualstack_ipv6=both))
        except OSError as error:
            if error.errno in _NOT_HERE:
                absent = error
                continue
            for each in listening:
                each.close()
            raise
    if absent is not None and not listening:
        raise absent
    return listening


def _addresses(host: str, port: int) -> Iterable[tuple[socket.AddressFamily, str]]:
    """Each address once; tables of hosts may have one several times."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    return dict.fromkeys((family, str(address[0])) for family, _, _, _, address in found)
