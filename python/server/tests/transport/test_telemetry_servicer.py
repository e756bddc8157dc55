"""TelemetryService over a real server: what writers see."""

from __future__ import annotations

import asyncio
import itertools
from typing import TYPE_CHECKING, Any

import grpc
import pytest
from served_telemetry import DEADLINE, EOF, Image, Request, Response, Served, Trainer, batch, png, serving

from catenary.telemetry.v1 import (
    metric_query_pb2,
    registration_pb2,
    run_pb2,
    run_request_pb2,
    stream_pb2,
    telemetry_pb2,
    training_pb2,
)
from catenary.v1 import error_pb2
from catenary_server.domain.telemetry import TelemetryLimits
from catenary_wire.errors import failure_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable
    from pathlib import Path

    from catenary_wire.errors import Failure

Register = registration_pb2.RegisterTrainingSessionRequest


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    async with serving(tmp_path) as served:
        yield served


async def failure(call: Awaitable[Any]) -> Failure:
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await asyncio.wait_for(call, DEADLINE)
    return failure_of(refused.value)


async def end_of(trainer: Trainer) -> Failure:
    """How the stream of a trainer fails."""

    async def to_the_end() -> None:
        while (response := await trainer.call.read()) is not EOF:
            trainer.seen.append(response)

    return await failure(to_the_end())


def lose_index(folder: Path) -> None:
    for path in folder.glob("index.sqlite*"):
        path.unlink()


async def run_of(served: Served, run_id: str = "run") -> run_pb2.Run:
    response = await served.stub.GetRun(run_request_pb2.GetRunRequest(run_id=run_id), timeout=DEADLINE)
    run: run_pb2.Run = response.run
    return run


async def losses(served: Served, name: str = "batch_loss") -> tuple[list[int], list[float]]:
    request = metric_query_pb2.QueryMetricsRequest(run_id="run", metric_names=[name], max_points=10000)
    (series,) = (await served.stub.QueryMetrics(request, timeout=DEADLINE)).series
    return list(series.global_steps), list(series.minimums)


async def test_everything_sent_is_acknowledged_received_and_durable(served: Served) -> None:
    trainer = await Trainer.register(served)
    for index in range(10):
        await trainer.send(batch_data=batch(index))
    acks = [response.ack for response in await trainer.finish() if response.HasField("ack")]
    assert (acks[-1].received_sequence, acks[-1].durable_sequence) == (10, 10)
    for earlier, later in itertools.pairwise(acks):
        assert earlier.received_sequence <= later.received_sequence
        assert earlier.durable_sequence <= later.durable_sequence <= later.received_sequence
    assert (await losses(served))[0] == list(range(10))


async def test_a_repeated_message_is_acknowledged_and_stored_once(served: Served) -> None:
    trainer = await Trainer.register(served)
    for sequence in (1, 2, 1, 2, 3):
        await trainer.send(sequence=sequence, batch_data=batch(sequence))
    await trainer.finish()
    assert (await losses(served))[0] == [1, 2, 3]


async def test_a_missing_sequence_ends_the_stream_and_says_where_to_go_on(served: Served) -> None:
    trainer = await Trainer.register(served)
    await trainer.send(batch_data=batch())
    await trainer.send(sequence=4, batch_data=batch())
    told = await end_of(trainer)
    assert (told.code, told.reason, told.metadata["next_seq"]) == (grpc.StatusCode.OUT_OF_RANGE, "SEQ_GAP", "2")


@pytest.mark.parametrize("own", [2, 6])
async def test_a_gap_counts_as_received_and_is_counted(served: Served, own: int) -> None:
    trainer = await Trainer.register(served)
    await trainer.send(batch_data=batch(1))
    gap = {"payload_class": 4, "from_sequence": 2, "to_sequence": 5, "dropped_count": 4}
    await trainer.send(sequence=own, gap=gap)
    await trainer.until(lambda response: response.ack.received_sequence >= 5)
    await trainer.send(sequence=max(own, 5) + 1, batch_data=batch(9))
    await trainer.finish()
    assert [(dropped.payload_class, dropped.count) for dropped in (await run_of(served)).dropped] == [(4, 4)]
    assert (await losses(served))[0] == [1, 9]


async def test_what_arrives_within_a_partial_gap_is_stored(served: Served) -> None:
    trainer = await Trainer.register(served)
    await trainer.send(gap={"payload_class": 4, "from_sequence": 1, "to_sequence": 6, "dropped_count": 3})
    for sequence in (2, 4, 6, 7):
        await trainer.send(sequence=sequence, batch_data=batch(sequence))
    await trainer.finish()
    assert (await losses(served))[0] == [2, 4, 6, 7]


async def test_heartbeats_are_neither_acknowledged_nor_stored(served: Served) -> None:
    trainer = await Trainer.register(served)
    await trainer.send(batch_data=batch())
    await trainer.until_durable()
    position = (await run_of(served)).last_sequence
    for number in range(5):
        await trainer.call.write(Request(session_id="run", heartbeat=telemetry_pb2.Heartbeat(sequence_number=number)))
    seen = len(trainer.seen)
    await trainer.finish()
    assert {r.ack.received_sequence for r in trainer.seen[seen:]} <= {1}
    assert (await run_of(served)).last_sequence == position


async def test_too_many_images_reject_the_batch_and_the_stream_goes_on(served: Served) -> None:
    trainer = await Trainer.register(served)
    await trainer.send(batch_data=batch(1, images=17))
    await trainer.send(batch_data=batch(2, images=16))
    rejections = [r.rejection for r in await trainer.finish() if r.HasField("rejection")]
    assert [(each.sequence, each.HasField("image_index")) for each in rejections] == [(1, False)]
    assert (await losses(served))[0] == [2]


@pytest.mark.parametrize(
    "image",
    [
        Image(image_bytes=png(513, 4)),
        Image(image_bytes=b"GIF89a"),
        Image(image_bytes=png(), width=9000),
        Image(image_bytes=png(), width=3),
        Image(image_bytes=png(), format="jpeg"),
        Image(image_bytes=png(), channels=2),
        Image(content_sha256=bytes(32)),
        Image(),
    ],
)
async def test_a_bad_image_is_rejected_alone(served: Served, image: Image) -> None:
    trainer = await Trainer.register(served)
    images = [Image(image_bytes=png(filler=1)), image, Image(image_bytes=png(filler=2))]
    await trainer.send(batch_data=batch(1, images))
    (rejection,) = [r.rejection for r in await trainer.finish() if r.HasField("rejection")]
    assert (rejection.sequence, rejection.image_index) == (1, 1)
    assert rejection.reason == error_pb2.ERROR_REASON_IMAGE_INVALID
    assert (await losses(served))[0] == [1]
    stored = await served.telemetry.runs.find("anonymous", "run").latest(2)  # type: ignore[arg-type] # Kind.IMAGE_BATCH
    assert stored is not None
    kept = Request.FromString(stored.payload).batch_data.images
    assert [each.image_bytes for each in kept] == [png(filler=1), b"", png(filler=2)]


async def test_a_broken_rule_rejects_one_message(served: Served) -> None:
    trainer = await Trainer.register(served)
    await trainer.send(metric_batch={"samples": []})
    await trainer.send(metric_batch={"samples": [{"metric_name": "x", "global_step": 1, "value": float("nan")}]})
    (rejection,) = [r.rejection for r in await trainer.finish() if r.HasField("rejection")]
    assert (rejection.sequence, rejection.reason) == (1, error_pb2.ERROR_REASON_FIELD_INVALID)
    steps, values = await losses(served, "x")
    assert (steps, [str(value) for value in values]) == ([1], ["nan"])


async def test_a_sequence_of_zero_breaks_a_rule_and_is_no_repetition(served: Served) -> None:
    trainer = await Trainer.register(served)
    sample = {"metric_name": "x", "global_step": 1, "value": 1.0}
    await trainer.send(sequence=0, metric_batch={"samples": [sample]})
    await trainer.send(metric_batch={"samples": [sample]})
    responses = await trainer.finish()
    (rejection,) = [r.rejection for r in responses if r.HasField("rejection")]
    assert rejection.reason == error_pb2.ERROR_REASON_FIELD_INVALID
    assert [r.ack for r in responses if r.HasField("ack")][-1].durable_sequence == 1


async def test_bytes_that_are_no_message_end_the_stream(served: Served) -> None:
    path = "/catenary.telemetry.v1.TelemetryService/StreamTelemetry"
    raw: Any = served.channel.stream_stream(path, None, None)(None)
    await raw.write(b"\xff\xff\xff")
    assert Response.FromString(await raw.read()).error.code == stream_pb2.ErrorResponse.ERROR_CODE_INVALID_DATA
    assert (await failure(raw.read())).reason == "MALFORMED_MESSAGE"


async def test_a_live_run_is_not_registered_twice(served: Served) -> None:
    trainer = await Trainer.register(served)
    told = await failure(served.stub.RegisterTrainingSession(Register(session_id="run")))
    assert (told.code, told.reason) == (grpc.StatusCode.ALREADY_EXISTS, "RUN_EXISTS")
    await trainer.send(batch_data=batch())
    await trainer.finish()


async def test_the_newest_token_takes_over_and_goes_on_where_the_log_ends(served: Served) -> None:
    first = await Trainer.register(served, tags={"team": "blue"})
    await first.send(batch_data=batch(1))
    await first.until_durable()
    second = await Trainer.register(served, resume_token=first.token)
    assert (second.epoch, second.sequence) == (2, 2)
    told = await end_of(first)
    assert (told.code, told.reason) == (grpc.StatusCode.ABORTED, "STREAM_SUPERSEDED")
    await second.send(sequence=1, batch_data=batch(1))
    await second.send(sequence=2, batch_data=batch(2))
    await second.finish()
    assert (await losses(served))[0] == [1, 2]
    assert dict((await run_of(served)).tags) == {"team": "blue"}
    stale = await failure(served.stub.RegisterTrainingSession(Register(session_id="run", resume_token=first.token)))
    assert (stale.code, stale.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "STALE_EPOCH")


async def test_a_stale_epoch_stores_nothing(served: Served) -> None:
    first = await Trainer.register(served)
    await Trainer.register(served, resume_token=first.token)
    await first.send(batch_data=batch())
    told = await end_of(first)
    assert (told.code, told.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "STALE_EPOCH")
    assert not (await run_of(served)).metric_names


async def test_a_registration_can_be_retried(served: Served) -> None:
    request = Register(request_id="r1", tags={"a": "b"})
    one, two = [await served.stub.RegisterTrainingSession(request, timeout=DEADLINE) for _ in range(2)]
    assert (one.session_id, one.writer_epoch, one.resume_token) == (two.session_id, two.writer_epoch, two.resume_token)
    assert len(one.session_id) >= 22
    told = await failure(served.stub.RegisterTrainingSession(Register(request_id="r1")))
    assert (told.code, told.reason) == (grpc.StatusCode.ALREADY_EXISTS, "IDEMPOTENCY_CONFLICT")


async def test_a_run_that_is_not_registered_takes_nothing(served: Served) -> None:
    trainer = await Trainer.register(served)
    trainer.run_id = "other"
    await trainer.send(batch_data=batch())
    told = await end_of(trainer)
    assert (told.code, told.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "RUN_NOT_REGISTERED")


async def test_silence_ends_the_stream_and_frees_the_run(tmp_path: Path) -> None:
    async with serving(tmp_path, TelemetryLimits(heartbeat_interval=0.1)) as served:
        trainer = await Trainer.register(served)
        await trainer.send(batch_data=batch())
        told = await end_of(trainer)
        assert (told.code, told.reason) == (grpc.StatusCode.DEADLINE_EXCEEDED, "HEARTBEAT_LOST")
        run = await run_of(served)
        assert (run.writer_state, run.metric_names[0]) == (run_pb2.WRITER_STATE_SILENT, "batch_accuracy")
        again = await Trainer.register(served)
        assert (again.epoch, again.sequence) == (2, 2)
        assert (await run_of(served)).writer_state == run_pb2.WRITER_STATE_LIVE


async def test_status_follows_its_transitions(served: Served) -> None:
    status = training_pb2.TrainingStatus
    trainer = await Trainer.register(served)
    assert (await run_of(served)).status == status.TRAINING_STATUS_INITIALIZING
    await trainer.send(batch_data=batch())
    await trainer.until_durable()
    assert (await run_of(served)).status == status.TRAINING_STATUS_RUNNING
    for wanted in (status.TRAINING_STATUS_PAUSED, status.TRAINING_STATUS_RUNNING):
        await trainer.send(status_update={"status": wanted})
    await trainer.send(status_update={"status": status.TRAINING_STATUS_INITIALIZING})
    await trainer.send(status_update={"status": status.TRAINING_STATUS_FAILED, "message": "the disk burnt"})
    await trainer.send(status_update={"status": status.TRAINING_STATUS_RUNNING})
    rejections = [r.rejection.sequence for r in await trainer.finish() if r.HasField("rejection")]
    run = await run_of(served)
    assert rejections == [4, 6]
    assert (run.status, run.failure.message) == (status.TRAINING_STATUS_FAILED, "the disk burnt")
    assert run.writer_state == run_pb2.WRITER_STATE_CLOSED
    assert run.HasField("end_time")
    again = await Trainer.register(served)
    assert (await run_of(served)).status == status.TRAINING_STATUS_INITIALIZING
    assert again.epoch == 2


async def test_everything_is_there_after_a_restart(tmp_path: Path) -> None:
    async with serving(tmp_path) as served:
        trainer = await Trainer.register(served, tags={"team": "blue"})
        for index in range(20):
            await trainer.send(batch_data=batch(index, images=1))
        await trainer.finish()
        before = await run_of(served)
    async with serving(tmp_path) as served:
        after = await run_of(served)
        assert after.writer_state == run_pb2.WRITER_STATE_SILENT
        after.writer_state = before.writer_state
        assert after == before
        assert (await losses(served))[0] == list(range(20))
        again = await Trainer.register(served, resume_token=trainer.token)
        assert (again.epoch, again.sequence) == (2, 21)


async def test_the_index_is_rebuilt_from_the_logs(tmp_path: Path) -> None:
    async with serving(tmp_path) as served:
        trainer = await Trainer.register(served)
        for index in range(20):
            await trainer.send(batch_data=batch(index))
        await trainer.finish()
        before = await run_of(served)
    lose_index(tmp_path)
    async with serving(tmp_path) as served:
        after = await run_of(served)
        after.writer_state = before.writer_state
        assert after == before
        assert (await losses(served))[0] == list(range(20))


async def test_runs_are_listed_newest_first_and_in_pages(served: Served) -> None:
    for name in "abcde":
        await Trainer.register(served, run_id=name, tags={"kind": "vowel" if name in "ae" else "consonant"})
    found, token = [], ""
    while True:
        page = await served.stub.ListRuns(run_request_pb2.ListRunsRequest(page_size=2, page_token=token))
        found += [run.run_id for run in page.runs]
        token = page.next_page_token
        if not token:
            break
    assert found == list("edcba")
    vowels = await served.stub.ListRuns(run_request_pb2.ListRunsRequest(tags={"kind": "vowel"}))
    assert [run.run_id for run in vowels.runs] == ["e", "a"]
    running = training_pb2.TRAINING_STATUS_RUNNING
    assert not (await served.stub.ListRuns(run_request_pb2.ListRunsRequest(statuses=[running]))).runs


async def test_a_run_is_deleted_when_nobody_writes_to_it(served: Served) -> None:
    trainer = await Trainer.register(served)
    await trainer.send(batch_data=batch(images=2))
    await trainer.until_durable()
    delete = run_request_pb2.DeleteRunRequest(run_id="run")
    told = await failure(served.stub.DeleteRun(delete))
    assert (told.code, told.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "STATE_INVALID")
    await trainer.send(status_update={"status": training_pb2.TRAINING_STATUS_CANCELLED})
    await trainer.finish()
    assert (await served.stub.DeleteRun(delete)).freed_bytes > 0
    assert (await failure(served.stub.DeleteRun(delete))).reason == "RUN_NOT_FOUND"
    assert (await failure(served.stub.GetRun(run_request_pb2.GetRunRequest(run_id="run")))).reason == "RUN_NOT_FOUND"
    again = await Trainer.register(served)
    assert (again.epoch, again.sequence) == (1, 1)
    stale = await failure(served.stub.RegisterTrainingSession(Register(session_id="run", resume_token=trainer.token)))
    assert stale.reason == "STALE_EPOCH"


async def test_two_writers_that_reconnect_with_duplicates_are_stored_exactly_once(served: Served) -> None:
    async def write(run_id: str) -> None:
        trainer = await Trainer.register(served, run_id=run_id)
        for attempt in range(4):
            start = max(trainer.sequence - attempt, 1)
            for sequence in range(start, start + 20):
                await trainer.send(sequence=sequence, batch_data=batch(sequence, images=1))
            await trainer.until_durable(trainer.sequence - 10)
            trainer.call.cancel()
            trainer = await Trainer.register(served, run_id=run_id, resume_token=trainer.token)
        await trainer.finish()

    await asyncio.gather(write("one"), write("two"))
    for run_id in ("one", "two"):
        run = served.telemetry.runs.find("anonymous", run_id)
        sequences, after = [], 0
        while page := await run.read(after, most_bytes=1 << 20):
            after = page[-1].position
            sequences += [Request.FromString(entry.payload).sequence for entry in page if entry.kind.said_by_training]
        assert len(sequences) >= 50
        assert sequences == list(range(1, len(sequences) + 1))
