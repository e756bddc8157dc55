"""A socket in the file system beside the port."""

from __future__ import annotations

import socket
import stat
from typing import TYPE_CHECKING

import grpc
import pytest
from wire_client import WireClient

from catenary_server.transport.interceptors.authentication import AnonymousAuthenticator
from catenary_server.transport.listening import ListenError
from catenary_server.transport.server import build_server
from catenary_server.transport.settings import TransportSettings

if TYPE_CHECKING:
    from pathlib import Path

    from catenary_server.transport.services import Services


def settings(path: Path) -> TransportSettings:
    return TransportSettings(unix_socket=path)


async def test_both_ways_in_lead_to_the_same_sessions(tmp_path: Path, services: Services) -> None:
    path = tmp_path / "s"
    server = build_server(settings(path), services, AnonymousAuthenticator())
    port = await server.start()
    try:
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        async with (
            grpc.aio.insecure_channel(f"unix:{path}") as local,
            grpc.aio.insecure_channel(f"127.0.0.1:{port}") as far,
        ):
            created = await WireClient(local).call("CreateSession")
            found = await WireClient(far).call("GetSession", session_id=created.session_id)
            assert found.session.session_id == created.session_id
    finally:
        await server.drain(grace=0.1)
    assert not path.exists()


async def test_a_socket_that_a_dead_server_left_is_replaced(tmp_path: Path, services: Services) -> None:
    path = tmp_path / "s"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    server = build_server(settings(path), services, AnonymousAuthenticator())
    await server.start()
    await server.drain(grace=0.1)


async def test_a_socket_that_somebody_serves_is_left_alone(tmp_path: Path, services: Services) -> None:
    path = tmp_path / "s"
    with socket.socket(socket.AF_UNIX) as living:
        living.bind(str(path))
        living.listen()
        server = build_server(settings(path), services, AnonymousAuthenticator())
        with pytest.raises(ListenError, match="another server answers"):
            await server.start()
        assert path.exists()


async def test_a_file_that_is_no_socket_is_left_alone(tmp_path: Path, services: Services) -> None:
    path = tmp_path / "s"
    path.write_text("precious")
    with pytest.raises(ListenError, match="no socket"):
        await build_server(settings(path), services, AnonymousAuthenticator()).start()
    assert path.read_text() == "precious"


async def test_a_folder_that_is_not_there_is_told(tmp_path: Path, services: Services) -> None:
    with pytest.raises(ListenError, match="cannot listen"):
        await build_server(settings(tmp_path / "nowhere" / "s"), services, AnonymousAuthenticator()).start()
