"""A server that is far away says the same, later."""

from __future__ import annotations

import socket
import threading
import time
from typing import TYPE_CHECKING

import pytest

from catenary_conformance.delay import delayed

if TYPE_CHECKING:
    from collections.abc import Iterator

SECONDS = 0.05


@pytest.fixture
def echo() -> Iterator[str]:
    """Address of a server that says everything again, to one caller."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                while data := connection.recv(1 << 16):
                    connection.sendall(data)

        thread = threading.Thread(target=serve)
        thread.start()
        yield f"127.0.0.1:{server.getsockname()[1]}"
        thread.join(30)
        assert not thread.is_alive(), "the relay did not end the connection"


def test_what_is_said_arrives_whole_and_not_before_its_time(echo: str) -> None:
    said = bytes(range(256)) * 4096
    with delayed(echo, SECONDS) as address:
        host, _, port = address.rpartition(":")
        with socket.create_connection((host, int(port)), timeout=30) as connection:
            began = time.monotonic()
            threading.Thread(target=connection.sendall, args=(said,)).start()
            heard = connection.recv(1)
            assert time.monotonic() - began >= 2 * SECONDS
            while len(heard) < len(said):
                heard += connection.recv(1 << 16)
    assert heard == said
