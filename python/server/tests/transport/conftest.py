from __future__ import annotations

from typing import TYPE_CHECKING

import grpc
import pytest
from application import Application, build_application
from wire_client import WireClient

from catenary_server.transport.interceptors.authentication import AnonymousAuthenticator
from catenary_server.transport.server import GrpcServer, build_server
from catenary_server.transport.services import Services
from catenary_server.transport.settings import TransportSettings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


@pytest.fixture
async def app(tmp_path: Path) -> Application:
    return build_application(tmp_path)


@pytest.fixture
def services(app: Application) -> Services:
    return Services(
        sessions=app.sessions,
        configs=app.configs,
        pipelines=app.pipelines,
        plugins=app.plugins,
        training=app.training,
        trainruns=app.trainruns,
        inferences=app.inferences,
        visualizations=app.visualizations,
        transfers=app.transfers,
        discovery=app.discovery,
        datasets=app.datasets,
        profiling=app.profiling,
    )


@pytest.fixture
async def server(services: Services) -> AsyncIterator[GrpcServer]:
    server = build_server(TransportSettings(), services, AnonymousAuthenticator())
    yield server
    await services.sessions.close_all()
    await server.drain(grace=0.1)


@pytest.fixture
async def address(server: GrpcServer) -> str:
    return f"127.0.0.1:{await server.start()}"


@pytest.fixture
async def client(address: str) -> AsyncIterator[WireClient]:
    options = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
    async with grpc.aio.insecure_channel(address, options=options) as channel:
        yield WireClient(channel)


@pytest.fixture
async def session_id(client: WireClient) -> str:
    return str((await client.call("CreateSession")).session_id)
