"""What is full is told, and what makes room is admitted all the same."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

import grpc
import pytest
from application import Application, content
from fake_configs import TRAINRUN
from grpc_health.v1 import health_pb2, health_pb2_grpc
from wire_client import WireClient

from catenary_server.transport.interceptors.authentication import AnonymousAuthenticator
from catenary_server.transport.server import GrpcServer, build_server
from catenary_server.transport.settings import CallLimits, TransportSettings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from catenary_server.transport.services import Services
    from catenary_wire.errors import Failure

LIMITS = CallLimits(calls=2, streams=1, memory=5000, large_message=1000)


@pytest.fixture
async def server(services: Services) -> AsyncIterator[GrpcServer]:
    server = build_server(TransportSettings(limits=LIMITS), services, AnonymousAuthenticator())
    yield server
    await services.sessions.close_all()
    await server.drain(grace=0.1)


@contextlib.asynccontextmanager
async def held_calls(client: WireClient, app: Application, sessions: list[str]) -> AsyncIterator[None]:
    """A call of each session is under way for as long as the block lasts."""
    app.runtime.pauses["load_pipeline"] = asyncio.Event()
    loads = [
        asyncio.create_task(client.call("LoadPipeline", session_id=each, pipeline={"config_bytes": content()}))
        for each in sessions
    ]
    async with asyncio.timeout(30):
        while (await client.call("GetServerInfo")).limits.calls.used < len(sessions):
            pass
    try:
        yield
    finally:
        app.runtime.pauses.pop("load_pipeline").set()
        await asyncio.gather(*loads, return_exceptions=True)


def told(failure: Failure) -> tuple[grpc.StatusCode, str]:
    assert failure.retry_after is not None
    assert failure.violations
    return failure.code, failure.reason


async def test_calls_beyond_the_limit_are_told_when_to_come_again(client: WireClient, app: Application) -> None:
    sessions = [(await client.call("CreateSession")).session_id for _ in range(3)]
    async with held_calls(client, app, sessions[:2]):
        failure = await client.failure("GetSession", session_id=sessions[2])
        assert told(failure) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "QUOTA_RPCS")
        calls = (await client.call("GetServerInfo")).limits.calls
        assert (calls.total, calls.used) == (2, 2)
        await client.call("StopTrain", session_id=sessions[2])
        await client.call("CloseSession", session_id=sessions[2])
        health = health_pb2_grpc.HealthStub(client.channel)
        await health.Check(health_pb2.HealthCheckRequest(), timeout=20)
    assert (await client.call("GetSession", session_id=sessions[0])).session.session_id == sessions[0]


async def test_streams_beyond_the_limit_are_told_too(client: WireClient, session_id: str, app: Application) -> None:
    await client.call("SetTrainRunConfig", session_id=session_id, config={"config_bytes": content(TRAINRUN)})
    app.runtime.held = True
    run = client.stream("Train", session_id=session_id, trainer_type=1)
    app.runtime.worker.proceed()
    await run.read()
    failure = await client.failure("WatchTraining", session_id=session_id)
    assert told(failure) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "QUOTA_STREAMS")
    streams = (await client.call("GetServerInfo")).limits.streams
    assert (streams.total, streams.used) == (1, 1)
    app.runtime.worker.proceed(4)
    assert len([event async for event in run]) == 4
    assert len(await client.events("WatchTraining", session_id=session_id)) > 0


async def test_large_requests_share_a_budget(client: WireClient, app: Application) -> None:
    sessions = [(await client.call("CreateSession")).session_id for _ in range(2)]
    app.runtime.pauses["load_pipeline"] = asyncio.Event()
    padded = content() + b" " * 4000
    load = asyncio.create_task(client.call("LoadPipeline", session_id=sessions[0], pipeline={"config_bytes": padded}))
    await app.runtime.reached("load_pipeline")
    failure = await client.failure("LoadPipeline", session_id=sessions[1], pipeline={"config_bytes": padded})
    assert told(failure) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "QUOTA_MEMORY")
    assert (await client.call("GetSession", session_id=sessions[1])).session.session_id == sessions[1]
    app.runtime.pauses.pop("load_pipeline").set()
    await load
    await client.call("LoadPipeline", session_id=sessions[1], pipeline={"config_bytes": padded})


async def test_a_connection_ends_at_its_age_and_its_client_goes_on(services: Services, app: Application) -> None:
    limits = CallLimits(connection_age=0.2, connection_grace=0.1)
    server = build_server(TransportSettings(limits=limits), services, AnonymousAuthenticator())
    port = await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        client = WireClient(channel)
        session_id = (await client.call("CreateSession")).session_id
        await client.call("SetTrainRunConfig", session_id=session_id, config={"config_bytes": content(TRAINRUN)})
        app.runtime.held = True
        run = client.stream("Train", session_id=session_id, trainer_type=1)
        with pytest.raises(grpc.aio.AioRpcError) as cut:
            await run.read()
        assert cut.value.code() is grpc.StatusCode.UNAVAILABLE
        answer = await client.call("GetSession", session_id=session_id)
        assert answer.session.run_id  # it goes on without its watcher
        app.runtime.worker.proceed(5)
    await server.drain(grace=5)
