"""Clients of the telemetry proposal: no sequences, no epochs, one acknowledgment for each batch."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from served_telemetry import DEADLINE, Request, Response, Served, batch, serving

from catenary.telemetry.v1 import (
    command_pb2,
    command_request_pb2,
    metric_query_pb2,
    registration_pb2,
    stream_pb2,
    telemetry_pb2,
)
from catenary_wire.errors import failure_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

SERVICE = "/telemetry.TelemetryService"
Error = stream_pb2.ErrorResponse


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    async with serving(tmp_path) as served:
        yield served


async def register(served: Served, name: str = "train_001") -> Any:
    request = registration_pb2.RegisterTrainingSessionRequest(session_id=name, client_name="pytorch_trainer")
    call = served.channel.unary_unary(
        f"{SERVICE}/RegisterTrainingSession",
        registration_pb2.RegisterTrainingSessionRequest.SerializeToString,
        registration_pb2.RegisterTrainingSessionResponse.FromString,
    )
    return await call(request, timeout=DEADLINE)


def stream(served: Served) -> Any:
    path = f"{SERVICE}/StreamTelemetry"
    return served.channel.stream_stream(path, Request.SerializeToString, Response.FromString)(None)


async def rest_of(call: Any) -> list[Response]:
    async with asyncio.timeout(DEADLINE):
        return [response async for response in call]


def without_step(index: int, images: int = 0) -> telemetry_pb2.BatchData:
    payload = batch(index, images)
    payload.ClearField("global_step")
    return payload


async def test_each_batch_gets_one_acknowledgment_with_its_index(served: Served) -> None:
    answer = await register(served)
    assert (answer.success, answer.session_id) == (True, "train_001")
    assert (answer.server_config.max_batch_size, answer.server_config.buffer_size) == (64, 1000)
    call = stream(served)
    for index in (5, 6, 7):
        await call.write(Request(session_id="train_001", batch_data=without_step(index, images=2)))
        await call.write(Request(session_id="train_001", heartbeat=telemetry_pb2.Heartbeat(sequence_number=index)))
    await call.write(Request(session_id="train_001", epoch_data=telemetry_pb2.EpochData(epoch=1)))
    await call.done_writing()
    responses = await rest_of(call)
    assert [response.ack.batch_idx for response in responses if response.ack.success] == [5, 6, 7]
    assert len(responses) == 3
    query = metric_query_pb2.QueryMetricsRequest(run_id="train_001", metric_names=["batch_loss"])
    (series,) = (await served.stub.QueryMetrics(query, timeout=DEADLINE)).series
    assert list(series.global_steps) == [1, 2, 3]


async def test_faults_are_told_in_its_own_words_and_the_stream_goes_on(served: Served) -> None:
    await register(served)
    call = stream(served)
    await call.write(Request(session_id="train_001", batch_data=without_step(1, images=17)))
    await call.write(Request(session_id="train_001", batch_data=without_step(2, images=16)))
    await call.done_writing()
    first, second = await rest_of(call)
    assert first.error.code == Error.ERROR_CODE_INVALID_DATA
    assert second.ack.batch_idx == 2


async def test_an_unknown_session_is_told_in_band_before_the_stream_ends(served: Served) -> None:
    call = stream(served)
    await call.write(Request(session_id="nobody", batch_data=without_step(1)))
    response = await call.read()
    assert response.error.code == Error.ERROR_CODE_INVALID_SESSION
    with pytest.raises(grpc.aio.AioRpcError) as ended:
        await call.read()
    assert failure_of(ended.value).reason == "RUN_NOT_REGISTERED"


async def test_a_live_session_is_not_registered_by_another_client(served: Served) -> None:
    await register(served)
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await register(served)
    assert refused.value.code() is grpc.StatusCode.ALREADY_EXISTS


async def test_a_new_stream_replaces_one_that_was_lost(served: Served) -> None:
    await register(served)
    lost, call = stream(served), stream(served)
    await lost.write(Request(session_id="train_001", batch_data=without_step(1)))
    assert (await lost.read()).ack.batch_idx == 1
    await call.write(Request(session_id="train_001", batch_data=without_step(2)))
    assert (await call.read()).ack.batch_idx == 2
    assert (await lost.read()).error.code == Error.ERROR_CODE_INVALID_SESSION


async def test_it_obeys_every_command_when_it_is_told(served: Served) -> None:
    await register(served)
    call = stream(served)
    await call.write(Request(session_id="train_001", batch_data=without_step(1)))
    assert (await call.read()).ack.success
    smaller = command_pb2.COMMAND_TYPE_ADJUST_BATCH_SIZE
    request = command_request_pb2.SendCommandRequest(
        run_id="train_001",
        command=command_pb2.ControlCommand(command_id="c", type=smaller, batch_size=32),
        result_timeout=Duration(seconds=20),
    )
    answer = served.stub.SendCommand(request, timeout=DEADLINE)
    command = (await call.read()).command
    assert (command.type, dict(command.parameters)) == (4, {"batch_size": "32"})
    assert (await answer).result.applied.applied_at_step == 1
