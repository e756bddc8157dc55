"""TelemetryService over a real server: what viewers see, and what they make trainings do."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import grpc
import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from served_telemetry import DEADLINE, EOF, Image, Request, Served, Trainer, batch, png, serving

from catenary.telemetry.v1 import (
    command_pb2,
    command_request_pb2,
    metric_query_pb2,
    run_pb2,
    run_request_pb2,
    telemetry_pb2,
    training_pb2,
    watch_pb2,
)
from catenary.v1 import error_pb2
from catenary_wire.errors import failure_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path

    from catenary_wire.errors import Failure

Seen = watch_pb2.WatchRunResponse
CANCELLED = {"status": training_pb2.TRAINING_STATUS_CANCELLED}
STOP = command_pb2.COMMAND_TYPE_STOP_TRAINING
RATE = command_pb2.COMMAND_TYPE_CHANGE_LEARNING_RATE


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    async with serving(tmp_path) as served:
        yield served


def watch(served: Served, **fields: Any) -> Any:
    return served.stub.WatchRun(watch_pb2.WatchRunRequest(run_id="run", **fields))


async def read_until(call: Any, wanted: Callable[[Seen], bool]) -> list[Seen]:
    found: list[Seen] = []
    async with asyncio.timeout(DEADLINE):
        while not found or not wanted(found[-1]):
            message = await call.read()
            assert message is not EOF, "the watch ended"
            found.append(message)
    return found


async def read_all(call: Any) -> list[Seen]:
    found: list[Seen] = []
    async with asyncio.timeout(DEADLINE):
        while (message := await call.read()) is not EOF:
            found.append(message)
    return found


async def failure(call: Awaitable[Any]) -> Failure:
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await asyncio.wait_for(call, DEADLINE)
    return failure_of(refused.value)


def is_kind(kind: str) -> Callable[[Seen], bool]:
    return lambda seen: seen.WhichOneof("event") == kind


def said(messages: list[Seen], payload: str) -> list[Seen]:
    return [each for each in messages if each.record.WhichOneof("payload") == payload]


def send(served: Served, command: dict[str, Any], seconds: int = 0) -> Any:
    request = command_request_pb2.SendCommandRequest(run_id="run", command=command_pb2.ControlCommand(**command))
    if seconds:
        request.result_timeout.seconds = seconds
    return served.stub.SendCommand(request, timeout=DEADLINE)


async def test_a_watch_begins_with_a_snapshot_and_ends_with_the_run(served: Served) -> None:
    trainer = await Trainer.register(served)
    await trainer.send(batch_data=batch(1, images=2))
    await trainer.send(epoch_data={"epoch": 1, "average_loss": 0.5})
    await trainer.send(performance_data={"current_fps": 60})
    await trainer.until_durable()
    call = watch(served)
    (first,) = await read_until(call, is_kind("snapshot"))
    snapshot = first.snapshot
    assert first.sequence == snapshot.run.last_sequence
    assert len(snapshot.latest_batch.images) == 2
    assert (snapshot.latest_epoch.epoch, snapshot.latest_performance.current_fps) == (1, 60)
    assert {series.metric_name for series in snapshot.series} == set(snapshot.run.metric_names)
    await trainer.send(batch_data=batch(2))
    await trainer.send(status_update=CANCELLED)
    await trainer.finish()
    rest = await read_all(call)
    sequences = [first.sequence, *(each.sequence for each in rest)]
    assert sequences == sorted(set(sequences))
    assert [each.WhichOneof("event") for each in rest] == ["record", "record", "run_ended"]
    assert rest[-1].run_ended.status == training_pb2.TRAINING_STATUS_CANCELLED


async def test_a_watch_that_resumes_misses_nothing_but_images(served: Served) -> None:
    trainer = await Trainer.register(served)
    for index in range(30):
        await trainer.send(batch_data=batch(index, images=3))
        await trainer.send(metric_batch={"samples": [{"metric_name": "x", "global_step": index, "value": index}]})
    await trainer.send(status_update=CANCELLED)
    await trainer.finish()
    complete = await read_all(watch(served, after_sequence=0))
    for after in (5, 17, 1000):
        resumed = await read_all(watch(served, after_sequence=after))
        assert [each.sequence for each in resumed[1:-1]] == [e.sequence for e in complete[1:-1] if e.sequence > after]
    batches = said(complete, "batch_data")
    assert [each.record.batch_data.batch_idx for each in batches] == list(range(30))
    assert len(said(complete, "metric_batch")) == 30
    with_images = [each for each in batches if any(image.image_bytes for image in each.record.batch_data.images)]
    dropped = max(count.count for each in complete for count in each.dropped)
    assert (len(with_images), dropped) == (1, 29)
    assert with_images == batches[-1:]


async def test_classes_that_were_not_asked_for_are_not_sent(served: Served) -> None:
    trainer = await Trainer.register(served)
    await trainer.send(batch_data=batch(1, images=3))
    await trainer.send(performance_data={"current_fps": 60})
    await trainer.send(metric_batch={"samples": [{"metric_name": "x", "global_step": 1, "value": 1}]})
    await trainer.send(status_update=CANCELLED)
    await trainer.finish()

    async def kinds(*classes: int) -> list[str | None]:
        seen = await read_all(watch(served, after_sequence=0, payload_classes=classes))
        assert all(not image.image_bytes for each in seen for image in each.record.batch_data.images) or 4 in classes
        return [each.record.WhichOneof("payload") for each in seen if each.HasField("record")]

    assert await kinds(telemetry_pb2.PAYLOAD_CLASS_EVENT) == ["status_update"]
    assert await kinds(telemetry_pb2.PAYLOAD_CLASS_PERFORMANCE) == ["performance_data", "status_update"]
    assert await kinds(telemetry_pb2.PAYLOAD_CLASS_SCALAR) == ["batch_data", "metric_batch", "status_update"]
    assert await kinds(telemetry_pb2.PAYLOAD_CLASS_IMAGE_BATCH) == ["batch_data", "status_update"]


async def test_a_viewer_that_does_not_read_delays_nobody(served: Served) -> None:
    trainer = await Trainer.register(served)
    idle = watch(served, after_sequence=0)
    await idle.read()
    reading = watch(served, after_sequence=0)
    image = Image(image_bytes=png(filler=100_000))
    for index in range(100):
        await trainer.send(batch_data=batch(index, images=[image] * 16))
    await trainer.until_durable()
    seen = await read_until(reading, lambda each: each.record.batch_data.batch_idx == 99)
    assert len(said(seen, "batch_data")) == 100
    await trainer.send(status_update=CANCELLED)
    await trainer.finish()
    late = await read_all(idle)
    assert [each.record.batch_data.batch_idx for each in said(late, "batch_data")] == list(range(100))
    assert sum(len(each.record.batch_data.images) > 0 and each.ByteSize() > 1_000_000 for each in late) < 50


async def test_images_come_no_faster_than_asked_for(served: Served) -> None:
    trainer = await Trainer.register(served)
    call = watch(served, image_rate_hz=0.001)
    await read_until(call, is_kind("snapshot"))
    with_images = 0
    for index in range(5):
        await trainer.send(batch_data=batch(index, images=1))
        seen = await read_until(call, lambda each: each.HasField("record"))
        with_images += any(image.image_bytes for image in seen[-1].record.batch_data.images)
    assert with_images == 1


async def test_an_image_that_is_only_named_is_shown_in_full(served: Served) -> None:
    trainer = await Trainer.register(served)
    digest = b"h" * 32
    await trainer.send(batch_data=batch(1, images=[Image(image_bytes=png(), content_sha256=digest)]))
    await trainer.send(batch_data=batch(2, images=[Image(content_sha256=digest)]))
    await trainer.until_durable()
    (first,) = await read_until(watch(served), is_kind("snapshot"))
    assert first.snapshot.latest_batch.batch_idx == 2
    assert first.snapshot.latest_batch.images[0].image_bytes == png()


async def test_an_image_that_its_own_batch_names_again_is_shown_twice(served: Served) -> None:
    trainer = await Trainer.register(served)
    digest = b"h" * 32
    tiles = [Image(image_bytes=png(), content_sha256=digest), Image(content_sha256=digest)]
    await trainer.send(batch_data=batch(1, images=tiles))
    await trainer.until_durable()
    (first,) = await read_until(watch(served), is_kind("snapshot"))
    assert [image.image_bytes for image in first.snapshot.latest_batch.images] == [png(), png()]


async def test_a_watch_of_a_run_that_is_deleted_ends(served: Served) -> None:
    trainer = await Trainer.register(served)
    await trainer.send(batch_data=batch())
    await trainer.until_durable()
    call = watch(served)
    await read_until(call, is_kind("snapshot"))
    run = served.telemetry.runs.find("anonymous", "run")
    trainer.call.cancel()
    served.telemetry.runs.silenced(run)
    await served.stub.DeleteRun(run_request_pb2.DeleteRunRequest(run_id="run"), timeout=DEADLINE)
    told = await failure(read_all(call))
    assert (told.code, told.reason) == (grpc.StatusCode.ABORTED, "STREAM_SUPERSEDED")


async def test_the_extremes_survive_decimation(served: Served) -> None:
    trainer = await Trainer.register(served)
    values = [float((index * 7919) % 1009) for index in range(1000)]
    samples = [{"metric_name": "x", "global_step": i, "value": value} for i, value in enumerate(values)]
    await trainer.send(metric_batch={"samples": samples})
    await trainer.until_durable()

    async def query(points: int, **steps: int) -> Any:
        request = metric_query_pb2.QueryMetricsRequest(
            run_id="run", metric_names=["x", "none"], max_points=points, **steps
        )
        found = (await served.stub.QueryMetrics(request, timeout=DEADLINE)).series
        assert [series.metric_name for series in found] == ["x", "none"]
        return found[0]

    whole = await query(1000)
    assert (list(whole.minimums), list(whole.maximums), whole.samples_per_point) == (values, [], 1)
    for points in (1, 7, 999):
        series = await query(points)
        assert len(series.minimums) == len(series.maximums) == len(series.global_steps) <= points
        assert (min(series.minimums), max(series.maximums)) == (min(values), max(values))
        assert series.sample_count == 1000
    assert list((await query(100, from_step=10, to_step=19)).minimums) == values[10:20]


async def test_a_command_reaches_the_training_and_its_result_comes_back(served: Served) -> None:
    trainer = await Trainer.register(served, commands=[{"type": RATE, "minimum": 0.001, "maximum": 0.1}])
    await trainer.send(batch_data=batch())
    call = watch(served)
    await read_until(call, is_kind("snapshot"))
    command = {"command_id": "c1", "type": RATE, "learning_rate": 0.01}
    answer = send(served, command, seconds=20)
    told = await trainer.until(lambda response: response.HasField("command"))
    assert (told.command.learning_rate, dict(told.command.parameters)) == (0.01, {"learning_rate": "0.01"})
    result = {"command_id": "c1", "applied": {"applied_at_step": 7, "old_setting": {"learning_rate": 0.1}}}
    await trainer.send(command_result=result)
    assert (await answer).result.applied.applied_at_step == 7
    seen = await read_until(call, lambda each: each.record.HasField("command_result"))
    assert [each.command.command_id for each in seen if each.HasField("command")] == ["c1"]
    repeated = await send(served, command)
    assert repeated.result.applied.applied_at_step == 7
    told_again = await failure(send(served, {**command, "learning_rate": 0.02}))
    assert (told_again.code, told_again.reason) == (grpc.StatusCode.ALREADY_EXISTS, "IDEMPOTENCY_CONFLICT")
    commands = [r for r in await trainer.finish() if r.HasField("command")]
    assert len(commands) == 1


@pytest.mark.parametrize(
    "command", [{"type": STOP}, {"type": RATE, "learning_rate": 0.5}, {"type": RATE, "learning_rate": 0.0001}]
)
async def test_a_command_that_was_not_declared_is_refused(served: Served, command: dict[str, Any]) -> None:
    trainer = await Trainer.register(served, commands=[{"type": RATE, "minimum": 0.001, "maximum": 0.1}])
    await trainer.send(batch_data=batch())
    await trainer.until_durable()
    told = await failure(send(served, {"command_id": "c1", **command}))
    assert (told.code, told.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "COMMAND_INVALID")
    assert not [r for r in await trainer.finish() if r.HasField("command")]


async def test_a_command_to_a_run_that_ended_is_refused(served: Served) -> None:
    trainer = await Trainer.register(served, commands=[{"type": STOP}])
    await trainer.send(status_update=CANCELLED)
    await trainer.finish()
    told = await failure(send(served, {"command_id": "c1", "type": STOP}))
    assert (told.code, told.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "STATE_INVALID")


async def test_a_command_without_effect_expires_and_its_late_result_is_rejected(served: Served) -> None:
    trainer = await Trainer.register(served, commands=[{"type": STOP}])
    await trainer.send(batch_data=batch())
    await trainer.until_durable()
    soon = Timestamp()
    soon.GetCurrentTime()
    soon.FromNanoseconds(soon.ToNanoseconds() + 50_000_000)
    answer = await send(served, {"command_id": "c1", "type": STOP, "expire_time": soon}, seconds=20)
    assert answer.result.refused.reason == error_pb2.ERROR_REASON_COMMAND_EXPIRED
    await trainer.send(command_result={"command_id": "c1", "applied": {"applied_at_step": 1}})
    rejections = [r.rejection.reason for r in await trainer.finish() if r.HasField("rejection")]
    assert rejections == [error_pb2.ERROR_REASON_COMMAND_INVALID]
    assert (await send(served, {"command_id": "c1", "type": STOP})).result == answer.result


async def test_a_command_waits_for_a_writer_that_comes_back(served: Served) -> None:
    trainer = await Trainer.register(served, commands=[{"type": STOP}])
    await trainer.send(batch_data=batch())
    await trainer.until_durable()
    trainer.call.cancel()
    answer = await send(served, {"command_id": "c1", "type": STOP})
    assert not answer.HasField("result")
    (first,) = await read_until(watch(served), is_kind("snapshot"))
    assert [command.command_id for command in first.snapshot.open_commands] == ["c1"]
    again = await Trainer.register(served, resume_token=trainer.token)
    await again.send(batch_data=batch())
    await again.until(lambda response: response.command.command_id == "c1")


async def test_viewers_are_told_when_the_writer_changes(served: Served) -> None:
    trainer = await Trainer.register(served)
    await trainer.send(batch_data=batch())
    await trainer.until_durable()
    call = watch(served)
    await read_until(call, is_kind("snapshot"))
    served.telemetry.runs.silenced(served.telemetry.runs.find("anonymous", "run"))
    silent = (await read_until(call, is_kind("run_changed")))[-1]
    assert silent.run_changed.writer_state == run_pb2.WRITER_STATE_SILENT
    await trainer.call.write(Request(session_id="run", heartbeat=telemetry_pb2.Heartbeat()))
    live = (await read_until(call, is_kind("run_changed")))[-1]
    assert live.run_changed.writer_state == run_pb2.WRITER_STATE_LIVE
    assert live.sequence > silent.sequence


async def test_draining_ends_every_stream_and_keeps_what_was_sent(tmp_path: Path) -> None:
    async with serving(tmp_path) as served:
        trainer = await Trainer.register(served)
        await trainer.send(batch_data=batch(1))
        await trainer.until(lambda response: response.ack.received_sequence == 1)
        call = watch(served)
        await read_until(call, is_kind("snapshot"))
        served.telemetry.drain()
        assert (await failure(read_all(call))).reason == "DRAINING"
        assert (await failure(read_all(trainer.call))).reason == "DRAINING"
    async with serving(tmp_path) as served:
        again = await Trainer.register(served, resume_token=trainer.token)
        assert again.sequence == 2
