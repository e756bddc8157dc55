from __future__ import annotations

import socket

import pytest

from catenary_server.transport.listening import listen, shown


def test_addresses_are_written_as_urls_have_them() -> None:
    assert shown("127.0.0.1", 80) == "127.0.0.1:80"
    assert shown("::1", 80) == "[::1]:80"


def test_all_addresses_of_a_host_share_one_port() -> None:
    sockets = listen("localhost", 0)
    try:
        assert len({each.getsockname()[1] for each in sockets}) == 1
    finally:
        for each in sockets:
            each.close()


def test_a_taken_port_leaves_nothing_open() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(OSError, match="in use"):
        listen("127.0.0.1", taken.getsockname()[1])


def test_a_host_without_an_address_is_an_error_of_the_system() -> None:
    with pytest.raises(OSError, match=r"not known|resolution"):
        listen("nowhere.invalid", 0)
