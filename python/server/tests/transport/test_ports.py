from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import grpc
import pytest
from web_client import fetch
from wire_client import WireClient

from catenary_server.transport.front_end import FrontEnd, build_front_end
from catenary_server.transport.interceptors.authentication import AnonymousAuthenticator
from catenary_server.transport.listening import ListenError
from catenary_server.transport.ports import Ports
from catenary_server.transport.server import GrpcServer
from catenary_server.transport.settings import TransportSettings
from catenary_server.transport.web.server import WebServer, WebSettings

if TYPE_CHECKING:
    from catenary_server.transport.services import Services


@pytest.fixture
def front(services: Services) -> FrontEnd:
    return build_front_end(TransportSettings(), services, AnonymousAuthenticator())


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


async def test_both_ports_answer_from_the_same_sessions(front: FrontEnd) -> None:
    ports = Ports(GrpcServer(TransportSettings(), front), WebServer(WebSettings(), front))
    addresses = await ports.start()
    assert addresses.dashboard is not None
    async with grpc.aio.insecure_channel(f"127.0.0.1:{addresses.port}") as channel:
        await WireClient(channel).call("GetServerInfo")
    assert (await fetch(addresses.dashboard)).status == 200
    await ports.drain(grace=0)
    with pytest.raises(ConnectionError):
        await fetch(addresses.dashboard)


async def test_a_server_without_a_dashboard_has_one_port(front: FrontEnd) -> None:
    ports = Ports(GrpcServer(TransportSettings(), front), None)
    assert (await ports.start()).dashboard is None
    await ports.drain(grace=0)


async def test_where_the_dashboard_cannot_listen_nothing_does(front: FrontEnd) -> None:
    port = free_port()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        web = WebServer(WebSettings(port=taken.getsockname()[1]), front)
        with pytest.raises(ListenError, match="the dashboard"):
            await Ports(GrpcServer(TransportSettings(port=port), front), web).start()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port))


async def test_what_drains_refuses_calls_on_both_ports(front: FrontEnd) -> None:
    ports = Ports(GrpcServer(TransportSettings(), front), WebServer(WebSettings(), front))
    addresses = await ports.start()
    assert addresses.dashboard is not None
    await ports.begin_drain()
    headers = {"content-type": "application/proto", "connect-protocol-version": "1"}
    answer = await fetch(addresses.dashboard, "POST", "/catenary.v1.SessionService/CreateSession", headers)
    assert (answer.status, answer.failure.reason) == (503, "DRAINING")
    await ports.drain(grace=0)
