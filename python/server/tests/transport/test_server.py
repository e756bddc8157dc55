from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import grpc
import pytest
from application import Application, content
from fake_configs import TRAINRUN
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from wire_client import WireClient

from catenary_server.transport.interceptors.authentication import AnonymousAuthenticator
from catenary_server.transport.listening import ListenError
from catenary_server.transport.server import GrpcServer, build_server
from catenary_server.transport.settings import TransportSettings

if TYPE_CHECKING:
    from catenary_server.transport.services import Services

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


async def health(client: WireClient, service: str = "") -> int:
    stub = health_pb2_grpc.HealthStub(client.channel)
    answer = await stub.Check(health_pb2.HealthCheckRequest(service=service), timeout=20)
    return int(answer.status)


async def test_health_serves_only_when_told(client: WireClient, server: GrpcServer) -> None:
    assert await health(client) == NOT_SERVING
    await server.set_serving(serving=True)
    assert await health(client) == SERVING
    assert await health(client, "catenary.v1.SessionService") == SERVING
    await server.set_serving(serving=False)
    assert await health(client) == NOT_SERVING


async def test_a_second_server_on_the_port_fails(address: str, services: Services) -> None:
    port = int(address.rpartition(":")[2])
    with pytest.raises(ListenError, match="taken"):
        await build_server(TransportSettings(port=port), services, AnonymousAuthenticator()).start()


async def test_draining_refuses_new_calls_and_lets_a_run_end(
    client: WireClient, session_id: str, server: GrpcServer, app: Application
) -> None:
    await server.set_serving(serving=True)
    await client.call("SetTrainRunConfig", session_id=session_id, config={"config_bytes": content(TRAINRUN)})
    app.runtime.held = True
    run = client.stream("Train", session_id=session_id, trainer_type=1)
    app.runtime.worker.proceed()
    await run.read()
    draining = asyncio.create_task(server.drain(grace=30))
    while await health(client) == SERVING:
        pass
    failure = await client.failure("CreateSession")
    assert (failure.code, failure.reason) == (grpc.StatusCode.UNAVAILABLE, "DRAINING")
    assert failure.retry_after is not None
    app.runtime.worker.proceed(4)
    assert len([event async for event in run]) == 4
    await draining
    await server.wait_closed()


async def test_a_call_that_outlives_the_grace_is_cut_off(
    client: WireClient, session_id: str, server: GrpcServer, app: Application
) -> None:
    app.runtime.pauses["load_pipeline"] = asyncio.Event()
    load = asyncio.create_task(
        client.failure("LoadPipeline", session_id=session_id, pipeline={"config_bytes": content()})
    )
    await app.runtime.reached("load_pipeline")
    await server.drain(grace=0.05)
    assert (await load).code in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED)


async def test_a_passed_deadline_is_told_and_leaves_nothing_half_done(
    client: WireClient, session_id: str, app: Application
) -> None:
    app.runtime.pauses["load_pipeline"] = asyncio.Event()
    with pytest.raises(grpc.aio.AioRpcError) as passed:
        await client.call("LoadPipeline", seconds=0.2, session_id=session_id, pipeline={"config_bytes": content()})
    assert passed.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    app.runtime.pauses.clear()
    until = time.monotonic() + 20
    while True:  # the server learns of it a moment after the client
        try:
            await client.call("LoadPipeline", session_id=session_id, pipeline={"config_bytes": content()})
        except grpc.aio.AioRpcError:
            assert time.monotonic() < until
        else:
            break
    assert app.runtime.workers[0].closed


async def _described(client: WireClient) -> set[str]:
    stub = reflection_pb2_grpc.ServerReflectionStub(client.channel)
    stream = stub.ServerReflectionInfo(iter([reflection_pb2.ServerReflectionRequest(list_services="")]), timeout=20)
    answer = await stream.read()
    return {service.name for service in answer.list_services_response.service}


async def test_reflection_describes_the_services(client: WireClient) -> None:
    described = await _described(client)
    assert {"catenary.v1.SessionService", "grpc.health.v1.Health"} <= described


async def test_reflection_can_be_left_out(services: Services) -> None:
    server = build_server(TransportSettings(reflection=False), services, AnonymousAuthenticator())
    port = await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await _described(WireClient(channel))
    assert refused.value.code() is grpc.StatusCode.UNIMPLEMENTED
    await server.drain(grace=0)


def test_an_address_of_version_6_is_bracketed() -> None:
    assert TransportSettings(host="::1", port=5).address == "[::1]:5"
