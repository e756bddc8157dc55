from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from application import Application, content
from fake_configs import TRAINRUN

from catenary.v1 import error_pb2, execution_stage_pb2, session_pb2, training_pb2, training_requests_pb2
from catenary_server.domain.failure import Failure, Reason
from catenary_server.domain.progress import Progress

if TYPE_CHECKING:
    from pathlib import Path

    from wire_client import WireClient

STATISTICAL = training_pb2.TRAINER_TYPE_STATISTICAL
GRADIENT = training_pb2.TRAINER_TYPE_GRADIENT
IN_PROGRESS = training_pb2.TRAIN_STATUS_IN_PROGRESS
COMPLETED = training_pb2.TRAIN_STATUS_COMPLETED
FAILED = training_pb2.TRAIN_STATUS_FAILED
CANCELLED = training_pb2.TRAIN_STATUS_CANCELLED


@pytest.fixture
async def ready(client: WireClient, session_id: str) -> str:
    answer = await client.call("SetTrainRunConfig", session_id=session_id, config={"config_bytes": content(TRAINRUN)})
    assert answer.pipeline_from_config
    return session_id


async def test_a_run_is_one_ordered_stream_with_one_end(client: WireClient, ready: str) -> None:
    events = await client.events("Train", session_id=ready, trainer_type=STATISTICAL)
    assert [event.status for event in events] == [IN_PROGRESS] * 4 + [COMPLETED]
    assert [event.sequence for event in events] == [1, 2, 3, 4, 5]
    assert next(event.message for event in events) == "Initializing detector ..."
    assert [event.batches_done for event in events] == [0, 1, 2, 3, 3]
    assert len({event.run_id for event in events}) == 1
    assert {event.phase for event in events} == {STATISTICAL}
    assert all(event.HasField("event_time") and not event.HasField("failure") for event in events)


async def test_both_phases_can_be_trained_one_after_the_other(client: WireClient, ready: str) -> None:
    first = await client.events("Train", session_id=ready, trainer_type=STATISTICAL)
    second = await client.events("Train", session_id=ready, trainer_type=GRADIENT)
    assert (first[-1].status, second[-1].status) == (COMPLETED, COMPLETED)
    assert first[-1].run_id != second[-1].run_id


async def test_a_run_that_fails_ends_failed_with_a_reason_and_status_ok(
    client: WireClient, ready: str, app: Application
) -> None:
    app.runtime.plan = (Progress(), Failure(Reason.NON_FINITE_LOSS, "the loss is NaN"))
    events = await client.events("Train", session_id=ready, trainer_type=GRADIENT)
    assert [event.status for event in events] == [IN_PROGRESS, FAILED]
    assert events[-1].failure.reason == error_pb2.ERROR_REASON_NON_FINITE_LOSS
    assert events[-1].failure.message == "the loss is NaN"


async def test_a_run_that_cannot_start_is_a_status(client: WireClient, ready: str, app: Application) -> None:
    app.runtime.plan = (Failure(Reason.DATASET_INVALID, "no such cube"),)
    failure = await client.failure("Train", session_id=ready, trainer_type=STATISTICAL)
    assert failure.reason == "DATASET_INVALID"
    status = await client.call("GetTrainStatus", session_id=ready)
    assert status.latest_progress.status == training_pb2.TRAIN_STATUS_UNSPECIFIED


async def test_asking_again_joins_the_run(client: WireClient, ready: str, app: Application) -> None:
    app.runtime.held = True
    first = client.stream("Train", session_id=ready, trainer_type=STATISTICAL)
    app.runtime.worker.proceed(2)
    seen = [await first.read(), await first.read()]
    second = client.stream("Train", session_id=ready, trainer_type=STATISTICAL)
    joined = await second.read()
    assert (joined.run_id, joined.sequence) == (seen[-1].run_id, 2)
    app.runtime.worker.proceed(3)
    assert [event.sequence async for event in second] == [3, 4, 5]
    assert [event.sequence async for event in first] == [3, 4, 5]
    assert len(app.runtime.worker.jobs) == 1


async def test_a_retry_with_the_request_id_of_a_run_that_is_over_trains_no_second_time(
    client: WireClient, ready: str, app: Application
) -> None:
    fields: dict[str, Any] = {"session_id": ready, "trainer_type": STATISTICAL, "request_id": "r1"}
    first = await client.events("Train", **fields)
    await client.events("Train", session_id=ready, trainer_type=GRADIENT)
    assert await client.events("Train", **fields) == first[-1:]
    assert len(app.runtime.worker.jobs) == 2
    conflict = await client.failure("Train", **fields | {"trainer_type": GRADIENT})
    assert conflict.reason == "IDEMPOTENCY_CONFLICT"


async def test_another_phase_and_what_disturbs_a_run_are_refused(
    client: WireClient, ready: str, app: Application
) -> None:
    app.runtime.held = True
    run = client.stream("Train", session_id=ready, trainer_type=STATISTICAL)
    app.runtime.worker.proceed()
    await run.read()
    busy: dict[str, Any] = {
        "LoadPipeline": {"pipeline": {"config_bytes": content()}},
        "LoadPipelineWeights": {"weights_bytes": b"weights"},
        "SavePipeline": {"pipeline_path": "x"},
        "SetTrainRunConfig": {"config": {"config_bytes": content(TRAINRUN)}},
        "SaveTrainRun": {"trainrun_path": "x", "save_weights": True},
    }
    for name, fields in busy.items():
        failure = await client.failure(name, session_id=ready, **fields)
        assert failure.reason == "SESSION_BUSY", name
        assert failure.retry_after is not None
    training: dict[str, Any] = {"Train": {"trainer_type": GRADIENT}, "Evaluate": {"stage": 3}}
    for name, fields in training.items():
        assert (await client.failure(name, session_id=ready, **fields)).reason == "ALREADY_TRAINING"
    session = (await client.call("GetSession", session_id=ready)).session
    assert session.state == session_pb2.SESSION_STATE_TRAINING
    assert session.run_id
    assert not session.HasField("expire_time")
    app.runtime.worker.proceed(4)
    assert [event.status async for event in run][-1] == COMPLETED


async def test_a_run_goes_on_without_its_client(client: WireClient, ready: str, app: Application) -> None:
    app.runtime.held = True
    run = client.stream("Train", session_id=ready, trainer_type=STATISTICAL)
    app.runtime.worker.proceed()
    first = await run.read()
    run.cancel()
    watch = client.stream("WatchTraining", session_id=ready, after_sequence=first.sequence)
    app.runtime.worker.proceed(4)
    events = [message async for message in watch]
    assert events[0].WhichOneof("update") == "snapshot"
    assert [message.progress.sequence for message in events[1:]] == [2, 3, 4, 5]
    assert events[-1].progress.status == COMPLETED
    assert {message.progress.run_id for message in events[1:]} == {first.run_id}
    assert all(message.dropped_count == 0 for message in events)


async def test_a_run_ends_with_its_last_client_if_that_is_wanted(
    client: WireClient, ready: str, app: Application
) -> None:
    app.runtime.held = True
    fields: dict[str, Any] = {
        "session_id": ready,
        "trainer_type": STATISTICAL,
        "on_disconnect": training_requests_pb2.ON_DISCONNECT_CANCEL,
    }
    one, two = client.stream("Train", **fields), client.stream("Train", **fields)
    app.runtime.worker.proceed()
    await asyncio.gather(one.read(), two.read())
    watch = client.stream("WatchTraining", session_id=ready)
    await watch.read()
    one.cancel()
    app.runtime.worker.proceed()
    assert (await two.read()).status == IN_PROGRESS
    two.cancel()
    events = [message async for message in watch]
    assert events[-1].progress.status == CANCELLED
    assert events[-1].progress.failure.reason == error_pb2.ERROR_REASON_TRAIN_CANCELLED


async def test_a_stopped_run_ends_cancelled_and_the_session_trains_again(
    client: WireClient, ready: str, app: Application
) -> None:
    app.runtime.held = True
    run = client.stream("Train", session_id=ready, trainer_type=STATISTICAL)
    app.runtime.worker.proceed()
    first = await run.read()
    stop = await client.call("StopTrain", session_id=ready)
    assert (stop.accepted, stop.run_id) == (True, first.run_id)
    last = [event async for event in run][-1]
    assert (last.status, last.failure.reason) == (CANCELLED, error_pb2.ERROR_REASON_TRAIN_CANCELLED)
    app.runtime.held = False
    assert (await client.events("Train", session_id=ready, trainer_type=GRADIENT))[-1].status == COMPLETED


async def test_with_nothing_running_a_stop_accepts_nothing(client: WireClient, ready: str) -> None:
    answer = await client.call("StopTrain", session_id=ready)
    assert (answer.accepted, answer.run_id) == (False, "")
    assert answer.message


async def test_closing_the_session_cancels_its_run(client: WireClient, ready: str, app: Application) -> None:
    app.runtime.held = True
    run = client.stream("Train", session_id=ready, trainer_type=STATISTICAL)
    app.runtime.worker.proceed()
    await run.read()
    await client.call("CloseSession", session_id=ready)
    last = [event async for event in run][-1]
    assert (last.status, last.failure.reason) == (CANCELLED, error_pb2.ERROR_REASON_SESSION_CLOSING)
    assert app.runtime.worker.closed


async def test_a_lost_worker_ends_the_run_failed(client: WireClient, ready: str, app: Application) -> None:
    app.runtime.held = True
    run = client.stream("Train", session_id=ready, trainer_type=STATISTICAL)
    app.runtime.worker.proceed()
    await run.read()
    app.runtime.worker.crash()
    last = [event async for event in run][-1]
    assert (last.status, last.failure.reason) == (FAILED, error_pb2.ERROR_REASON_WORKER_CRASHED)
    session = (await client.call("GetSession", session_id=ready)).session
    assert session.state == session_pb2.SESSION_STATE_FAILED


async def test_the_status_follows_the_run(client: WireClient, ready: str) -> None:
    before = await client.call("GetTrainStatus", session_id=ready)
    assert before.latest_progress.status == training_pb2.TRAIN_STATUS_UNSPECIFIED
    events = await client.events("Train", session_id=ready, trainer_type=STATISTICAL)
    after = await client.call("GetTrainStatus", session_id=ready)
    assert after.latest_progress == events[-1]


async def test_watching_needs_a_run_and_knows_runs_by_id(client: WireClient, ready: str) -> None:
    assert (await client.failure("WatchTraining", session_id=ready)).reason == "STATE_INVALID"
    events = await client.events("Train", session_id=ready, trainer_type=STATISTICAL)
    watched = await client.events("WatchTraining", session_id=ready, run_id=events[0].run_id)
    assert [message.progress for message in watched[1:]] == events
    ended = await client.events("WatchTraining", session_id=ready, after_sequence=5)
    assert [message.WhichOneof("update") for message in ended] == ["snapshot"]
    failure = await client.failure("WatchTraining", session_id=ready, run_id="unknown")
    assert failure.reason == "RUN_NOT_FOUND"


async def test_a_gradient_run_needs_loss_nodes(client: WireClient, ready: str) -> None:
    without = content(TRAINRUN, loss_nodes=[])
    await client.call("SetTrainRunConfig", session_id=ready, config={"config_bytes": without})
    failure = await client.failure("Train", session_id=ready, trainer_type=GRADIENT)
    assert failure.reason == "CONFIG_INVALID"
    assert failure.violations[0].subject == "loss_nodes"


async def test_an_evaluation_ends_with_the_metrics_of_its_stage(client: WireClient, ready: str) -> None:
    stage = execution_stage_pb2.EXECUTION_STAGE_TEST
    events = [each.progress for each in await client.events("Evaluate", session_id=ready, stage=stage)]
    assert [event.status for event in events] == [IN_PROGRESS] * 4 + [COMPLETED]
    assert {event.context.stage for event in events} == {stage}
    assert {event.phase for event in events} == {training_pb2.TRAINER_TYPE_UNSPECIFIED}
    assert dict(events[-1].metrics) == {"test_iou": 0.5}
    status = await client.call("GetTrainStatus", session_id=ready)
    assert status.latest_progress.status == training_pb2.TRAIN_STATUS_UNSPECIFIED


async def test_an_evaluation_holds_the_session_and_can_be_stopped(
    client: WireClient, ready: str, app: Application
) -> None:
    app.runtime.held = True
    evaluation = client.stream("Evaluate", session_id=ready, stage=3)
    app.runtime.worker.proceed()
    await evaluation.read()
    failure = await client.failure("Train", session_id=ready, trainer_type=STATISTICAL)
    assert failure.reason == "ALREADY_TRAINING"
    assert (await client.call("StopTrain", session_id=ready)).accepted
    assert [event.progress.status async for event in evaluation][-1] == CANCELLED


async def test_a_trainrun_comes_back_in_a_session_of_its_own(client: WireClient, ready: str, app: Application) -> None:
    saved = await client.call("SaveTrainRun", session_id=ready, trainrun_path="runs/a", save_weights=True)
    assert (saved.trainrun_path, saved.weights_path) == ("runs/a.yaml", "runs/a.safetensors")
    restored = await client.call("RestoreTrainRun", trainrun_path=saved.trainrun_path)
    assert restored.session_id != ready
    assert restored.weights_restored
    assert restored.resolved_weights_path == "runs/a.safetensors"
    session = (await client.call("GetSession", session_id=restored.session_id)).session
    assert session.state == session_pb2.SESSION_STATE_READY
    again = await client.call(
        "SetTrainRunConfig", session_id=ready, config={"config_bytes": restored.trainrun.config_bytes}
    )
    assert again.pipeline_from_config


async def test_a_restore_that_fails_makes_no_session_and_leaves_a_named_one_as_it_was(
    client: WireClient, ready: str, app: Application, tmp_path: Path
) -> None:
    await client.call("SaveTrainRun", session_id=ready, trainrun_path="a", save_weights=True)
    (tmp_path / "artifacts" / "a.safetensors").write_bytes(b"others")
    for fields in ({}, {"session_id": ready}):
        failure = await client.failure("RestoreTrainRun", trainrun_path="a", **fields)
        assert failure.reason == "WEIGHTS_MISMATCH"
    assert app.sessions.count == 1
    assert not app.runtime.workers[0].closed
    await client.call("GetPipelineInputs", session_id=ready)
    loose = await client.call("RestoreTrainRun", trainrun_path="a", strict=False, session_id=ready)
    assert loose.session_id == ready
    assert app.runtime.workers[0].closed


async def test_a_restore_is_done_once_under_its_request_id(client: WireClient, ready: str, app: Application) -> None:
    await client.call("SaveTrainRun", session_id=ready, trainrun_path="a")
    first = await client.call("RestoreTrainRun", trainrun_path="a", request_id="r")
    second = await client.call("RestoreTrainRun", trainrun_path="a", request_id="r")
    assert first == second
    assert not first.weights_restored
    assert app.sessions.count == 2
