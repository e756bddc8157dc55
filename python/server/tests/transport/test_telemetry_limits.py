"""TelemetryService over a real server: bounds, and what happens beyond them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import grpc
import pytest
from served_telemetry import DEADLINE, EOF, Image, Request, Served, Trainer, batch, png, serving

from catenary.telemetry.v1 import (
    command_pb2,
    command_request_pb2,
    registration_pb2,
    run_request_pb2,
    stream_pb2,
    watch_pb2,
)
from catenary.v1 import error_pb2
from catenary_server.application import telemetry_ingest, telemetry_live, telemetry_reply, telemetry_runs
from catenary_server.domain.failure import Failure, Reason
from catenary_server.domain.telemetry import TelemetryLimits
from catenary_wire.errors import failure_of

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import AsyncIterator
    from pathlib import Path

CANCELLED = {"status": 100}


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    async with serving(tmp_path) as served:
        yield served


async def to_the_end(call: Any) -> tuple[list[Any], str]:
    """What a stream still says, and the reason it fails with; empty if it ends well."""
    found: list[Any] = []
    try:
        async with asyncio.timeout(DEADLINE):
            while (message := await call.read()) is not EOF:
                found.append(message)
    except grpc.aio.AioRpcError as error:
        return found, failure_of(error).reason
    return found, ""


async def test_a_message_of_another_run_ends_the_stream(served: Served) -> None:
    await Trainer.register(served, "other")
    trainer = await Trainer.register(served)
    await trainer.send(batch_data=batch())
    trainer.run_id = "other"
    await trainer.send(batch_data=batch())
    assert (await to_the_end(trainer.call))[1] == "RUN_NOT_REGISTERED"


async def test_a_token_of_a_run_that_is_gone_is_stale(served: Served) -> None:
    request = registration_pb2.RegisterTrainingSessionRequest(session_id="gone", resume_token="old")  # noqa: S106 - none
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await served.stub.RegisterTrainingSession(request, timeout=DEADLINE)
    assert failure_of(refused.value).reason == "STALE_EPOCH"


async def test_a_gap_has_an_end(served: Served) -> None:
    trainer = await Trainer.register(served)
    far = telemetry_runs.FARTHEST_GAP + 10
    await trainer.send(gap={"payload_class": 4, "from_sequence": 2, "to_sequence": far, "dropped_count": 1})
    (rejection,) = [r.rejection for r in await trainer.finish() if r.HasField("rejection")]
    assert rejection.reason == error_pb2.ERROR_REASON_FIELD_INVALID


async def test_a_run_has_only_so_many_metrics(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(telemetry_runs, "MOST_METRICS", 2)
    trainer = await Trainer.register(served)
    for name in ("a", "b", "c", "a"):
        await trainer.send(metric_batch={"samples": [{"metric_name": name, "value": 1.0}]})
    rejections = [r.rejection.sequence for r in await trainer.finish() if r.HasField("rejection")]
    assert rejections == [3]


async def test_an_image_can_be_named_as_long_as_it_is_kept(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(telemetry_live, "KEPT_IMAGES", 2)
    trainer = await Trainer.register(served)
    for name in (b"a", b"b", b"c"):
        image = Image(image_bytes=png(), content_sha256=name * 32)
        await trainer.send(batch_data=batch(images=[image]))
    for name in (b"c", b"b", b"a"):
        await trainer.send(batch_data=batch(images=[Image(content_sha256=name * 32)]))
    rejections = [r.rejection.sequence for r in await trainer.finish() if r.HasField("rejection")]
    assert rejections == [6]


async def test_old_figures_are_left_out_and_counted(served: Served) -> None:
    trainer = await Trainer.register(served)
    for fps in range(5):
        await trainer.send(performance_data={"current_fps": fps, "resource_usage": {"cpu_percent": 50}})
    await trainer.send(status_update=CANCELLED)
    await trainer.finish()
    seen, _ = await to_the_end(served.stub.WatchRun(watch_pb2.WatchRunRequest(run_id="run", after_sequence=0)))
    figures = [each.record.performance_data.current_fps for each in seen if each.record.HasField("performance_data")]
    assert figures == [4]
    assert max(dropped.count for each in seen for dropped in each.dropped) == 4


async def test_a_writer_that_the_disk_cannot_follow_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(telemetry_ingest, "STALL_SECONDS", 0.05)
    async with serving(tmp_path, TelemetryLimits(buffer_size=2), commit_interval=3600) as served:
        request = registration_pb2.RegisterTrainingSessionRequest(session_id="run")
        await served.stub.RegisterTrainingSession(request, timeout=DEADLINE)
        call = served.stub.StreamTelemetry()
        for index in range(3):
            await call.write(Request(session_id="run", batch_data=batch(index)))
        said, reason = await to_the_end(call)
        assert reason == "BUFFER_FULL"
        assert [each.error.code for each in said if each.HasField("error")] == [
            stream_pb2.ErrorResponse.ERROR_CODE_BUFFER_FULL
        ]


async def test_a_writer_is_told_when_the_disk_takes_nothing(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    async def no_room(_: float) -> bool:
        return False

    trainer = await Trainer.register(served)
    monkeypatch.setattr(served.telemetry.runs.store, "room", no_room)
    await trainer.send(batch_data=batch())
    assert (await to_the_end(trainer.call))[1] == "BUFFER_FULL"


async def test_replies_do_not_pile_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(telemetry_reply, "MOST_WAITING", 3)
    outbox = telemetry_reply.Outbox()
    for index in range(5):
        outbox.put(telemetry_reply.BatchAcknowledged("run", index))
    replies = outbox.replies()
    for _ in range(3):
        await anext(replies)
    with pytest.raises(Failure) as ended:
        await anext(replies)
    assert ended.value.reason is Reason.BUFFER_FULL


async def test_commands_are_read_again_from_the_log(tmp_path: Path) -> None:
    stop = command_pb2.COMMAND_TYPE_STOP_TRAINING

    def command(name: str) -> command_request_pb2.SendCommandRequest:
        asked = command_pb2.ControlCommand(command_id=name, type=stop)
        return command_request_pb2.SendCommandRequest(run_id="run", command=asked)

    async with serving(tmp_path) as served:
        trainer = await Trainer.register(served, commands=[{"type": stop}])
        await trainer.send(batch_data=batch())
        await trainer.until_durable()
        for name in ("answered", "open"):
            await served.stub.SendCommand(command(name), timeout=DEADLINE)
        await trainer.send(command_result={"command_id": "answered", "applied": {"applied_at_step": 3}})
        await trainer.until_durable()
    lose_index(tmp_path)
    async with serving(tmp_path) as served:
        answer = await served.stub.SendCommand(command("answered"), timeout=DEADLINE)
        assert answer.result.applied.applied_at_step == 3
        answer = await served.stub.SendCommand(command("open"), timeout=DEADLINE)
        assert not answer.HasField("result")
        again = await Trainer.register(served, resume_token=trainer.token)
        await again.send(batch_data=batch())
        await again.until(lambda response: response.command.command_id == "open")


def lose_index(folder: Path) -> None:
    for path in folder.glob("index.sqlite*"):
        path.unlink()


async def test_what_the_index_could_not_learn_it_learns_later(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    async def full(_: object) -> None:
        raise Failure(Reason.DISK_FULL, "no room")

    trainer = await Trainer.register(served)
    run = served.telemetry.runs.find("anonymous", "run")
    with monkeypatch.context() as patch:
        patch.setattr(served.telemetry.runs.store.index, "write", full)
        await trainer.send(batch_data=batch(1))
        await trainer.until_durable()
        with pytest.raises(Failure):
            await served.telemetry.upkeep.index(run)
        await served.telemetry.upkeep.settle()
    await trainer.send(batch_data=batch(2))
    await trainer.until_durable()
    (series,) = await served.telemetry.upkeep.series(run, ["batch_loss"], (None, None), 10)
    assert series.steps == (1, 2)


async def test_a_writer_that_comes_back_on_its_old_stream_is_live_again(tmp_path: Path) -> None:
    async with serving(tmp_path, TelemetryLimits(heartbeat_interval=30)) as served:
        trainer = await Trainer.register(served)
        await trainer.send(batch_data=batch(1))
        await trainer.until_durable()
        served.telemetry.runs.silenced(served.telemetry.runs.find("anonymous", "run"))
        trainer.call.cancel()
        second = served.stub.StreamTelemetry()
        await second.write(Request(session_id="run", sequence=2, writer_epoch=1, batch_data=batch(2)))
        while not (await second.read()).HasField("ack"):
            pass
        found = await served.stub.GetRun(run_request_pb2.GetRunRequest(run_id="run"), timeout=DEADLINE)
        assert found.run.writer_state == 1


async def test_an_index_that_cannot_be_read_is_told(served: Served) -> None:
    trainer = await Trainer.register(served)
    await trainer.send(batch_data=batch(1))
    await trainer.until_durable()
    run = served.telemetry.runs.find("anonymous", "run")
    database: sqlite3.Connection = served.telemetry.runs.store.index._writer  # type: ignore[attr-defined] # of sqlite
    database.execute("DROP TABLE scalars")
    with pytest.raises(Failure) as failed:
        await served.telemetry.upkeep.series(run, ["batch_loss"], (None, None), 10)
    assert failed.value.reason is Reason.STORAGE_IO


async def test_arrivals_are_acknowledged_together_and_none_waits_for_the_next(tmp_path: Path) -> None:
    async with serving(tmp_path, TelemetryLimits(credit_images=8)) as served:
        trainer = await Trainer.register(served)
        for index in range(3):
            last = await trainer.send(batch_data=batch(index, images=1))
        await trainer.until(lambda response: response.ack.received_sequence == last)
        for index in range(3, 43):
            last = await trainer.send(batch_data=batch(index, images=1))
        await trainer.until_durable(last)
        assert {response.ack.success for response in trainer.seen if response.HasField("ack")} == {True}
        await trainer.finish()


async def test_a_server_that_is_drained_ends_the_streams_that_there_are(served: Served) -> None:
    request = registration_pb2.RegisterTrainingSessionRequest(session_id="silent")
    await served.stub.RegisterTrainingSession(request, timeout=DEADLINE)
    trainer = await Trainer.register(served)
    await trainer.send(batch_data=batch())
    await trainer.until_durable()
    served.telemetry.drain()
    assert (await to_the_end(trainer.call))[1] == "DRAINING"


async def test_a_writer_that_never_speaks_is_told_so(tmp_path: Path) -> None:
    async with serving(tmp_path, TelemetryLimits(heartbeat_interval=0.02)) as served:
        call = served.stub.StreamTelemetry()
        said, reason = await to_the_end(call)
        assert reason == "HEARTBEAT_LOST"
        assert [message.WhichOneof("payload") for message in said] == ["error"]
