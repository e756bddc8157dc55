from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from application import Application, content
from fake_configs import TRAINRUN

from catenary_server.application.runs import TrainRequest
from catenary_server.domain.failure import Failure, Reason
from catenary_server.domain.progress import Progress
from catenary_server.domain.session import SessionState
from catenary_server.domain.training import EvaluationJob, Phase, Stage, TrainingJob, TrainStatus

if TYPE_CHECKING:
    from pathlib import Path

    from catenary_server.application.session import Session

STATISTICAL = TrainRequest(phase=Phase.STATISTICAL)


async def trained(app: Application, session: Session, request: TrainRequest = STATISTICAL) -> list[Progress]:
    return [event.progress async for event in app.training.train(session, request)]


async def refused(app: Application, session: Session, request: TrainRequest = STATISTICAL) -> Failure:
    with pytest.raises(Failure) as caught:
        await trained(app, session, request)
    return caught.value


async def test_the_session_is_free_again_when_the_final_event_is_seen(app: Application) -> None:
    session = await app.loaded()
    app.runtime.held = True
    app.runtime.worker.proceed()
    async for event in app.training.train(session, STATISTICAL):
        assert session.state is (SessionState.READY if event.progress.status.final else SessionState.TRAINING)
        app.runtime.worker.proceed()


async def test_a_job_has_the_requests_sections_in_place_of_the_sessions(app: Application) -> None:
    session = await app.loaded()
    request = TrainRequest(
        phase=Phase.GRADIENT, data=content({"source": "synthetic", "batch_size": 3}), training=content({"seed": 9})
    )
    await trained(app, session, request)
    job = app.runtime.worker.jobs[-1]
    assert isinstance(job, TrainingJob)
    assert job.phase is Phase.GRADIENT
    assert job.config.data is not None
    assert (job.config.data.batch_size, job.config.training.seed) == (3, 9)
    assert session.trainrun is not None
    assert session.trainrun.training.seed == 1


async def test_paths_of_data_are_absolute_and_confined(app: Application, tmp_path: Path) -> None:
    session = await app.loaded()
    for name in ("a.npz", "b.npz"):
        (tmp_path / "data" / name).write_bytes(b"x")
    data = content({"source": "file", "path": "a.npz", "validation_path": "b.npz"})
    await trained(app, session, TrainRequest(phase=Phase.STATISTICAL, data=data))
    sent = app.runtime.worker.jobs[-1].config.data
    assert sent is not None
    assert sent.path == str(tmp_path / "data" / "a.npz")
    assert sent.validation_path == str(tmp_path / "data" / "b.npz")
    assert sent.test_path is None
    with_test = content({"source": "file", "path": "a.npz", "test_path": "b.npz"})
    await trained(app, session, TrainRequest(phase=Phase.STATISTICAL, data=with_test))
    sent = app.runtime.worker.jobs[-1].config.data
    assert sent is not None
    assert (sent.validation_path, sent.test_path) == (None, str(tmp_path / "data" / "b.npz"))


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        ({"source": "file", "path": "missing.npz"}, Reason.DATASET_NOT_FOUND),
        ({"source": "file", "path": "../outside.npz"}, Reason.PATH_INVALID),
        ({"source": "file"}, Reason.CONFIG_INVALID),
    ],
)
async def test_data_that_cannot_be_trained_on_is_refused_before_a_run_begins(
    app: Application, data: dict[str, object], reason: Reason
) -> None:
    session = await app.loaded()
    request = TrainRequest(phase=Phase.STATISTICAL, data=content(data))
    assert (await refused(app, session, request)).reason is reason
    assert session.run is None
    assert session.state is SessionState.READY


async def test_a_request_with_data_needs_no_trainrun_for_statistics(app: Application) -> None:
    session = app.session()
    await app.pipelines.load_bytes(session, content())
    request = TrainRequest(phase=Phase.STATISTICAL, data=content({"source": "synthetic"}))
    assert (await trained(app, session, request))[-1].status is TrainStatus.COMPLETED


async def test_the_final_event_stands_where_its_stage_stood(app: Application) -> None:
    session = await app.loaded()
    app.runtime.plan = (
        Progress(epoch=1, batch_index=3, global_step=8),
        Progress(stage=Stage.VALIDATE, epochs_done=2),
        "done",
    )
    *_, last = await trained(app, session)
    assert (last.stage, last.epoch, last.batch_index, last.global_step) == (Stage.TRAIN, 1, 3, 8)
    assert last.epochs_done == 2


async def test_a_run_needs_pipeline_trainrun_data_and_for_gradients_losses(app: Application) -> None:
    session = app.session()
    assert (await refused(app, session)).reason is Reason.STATE_INVALID
    await app.pipelines.load_bytes(session, content())
    failure = await refused(app, session)
    assert (failure.reason, failure.violations[0].subject) == (Reason.CONFIG_INVALID, "data")
    assert "SetTrainRunConfig" in failure.message
    await app.training.set_config(session, content({"name": "bare"}))
    failure = await refused(app, session)
    assert (failure.reason, failure.violations[0].subject) == (Reason.CONFIG_INVALID, "data")
    await app.training.set_config(session, content(TRAINRUN, loss_nodes=[]))
    failure = await refused(app, session, TrainRequest(phase=Phase.GRADIENT))
    assert (failure.reason, failure.violations[0].subject) == (Reason.CONFIG_INVALID, "loss_nodes")


async def test_a_trainrun_without_a_pipeline_keeps_the_loaded_one(app: Application) -> None:
    session = app.session()
    with pytest.raises(Failure) as caught:
        await app.training.set_config(session, content({"name": "bare"}))
    assert caught.value.reason is Reason.STATE_INVALID
    await app.pipelines.load_bytes(session, content())
    assert await app.training.set_config(session, content({"name": "bare"})) is False
    assert await app.training.set_config(session, content(TRAINRUN)) is True


async def test_a_trainrun_that_is_refused_leaves_the_one_before(app: Application) -> None:
    session = await app.loaded()
    before = session.trainrun
    for broken in (b"[]", content(TRAINRUN, pipeline={"nodes": [{"name": "a", "class_name": "Unknown"}]})):
        with pytest.raises(Failure):
            await app.training.set_config(session, broken)
    assert session.trainrun is before


async def test_a_run_that_ends_at_once_begins_all_the_same(app: Application) -> None:
    session = await app.loaded()
    app.runtime.plan = ("Nothing to do",)
    assert [each.status for each in await trained(app, session)] == [TrainStatus.IN_PROGRESS, TrainStatus.COMPLETED]


async def test_training_while_a_pipeline_is_loaded_is_refused(app: Application) -> None:
    session = await app.loaded()
    app.runtime.pauses["load_weights"] = asyncio.Event()
    loading = asyncio.create_task(app.pipelines.load_weights(session, b"weights", strict=True))
    await app.runtime.reached("load_weights")
    assert (await refused(app, session)).reason is Reason.SESSION_BUSY
    app.runtime.pauses["load_weights"].set()
    await loading


async def test_a_fault_of_the_server_ends_the_run_and_stays_a_fault(app: Application) -> None:
    session = await app.loaded()

    async def broken(job: TrainingJob) -> object:
        yield Progress()
        raise RuntimeError("bug")

    faults: list[dict[str, object]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, fault: faults.append(fault))
    app.runtime.worker.train = broken  # type: ignore[method-assign, assignment] # a bug on purpose
    events = await trained(app, session)
    assert events[-1].status is TrainStatus.FAILED
    assert events[-1].failure is not None
    assert events[-1].failure.reason is Reason.INTERNAL_BUG
    assert "bug" not in events[-1].message


async def test_a_session_that_closes_before_the_first_event_cancels_the_run(app: Application) -> None:
    session = await app.loaded()
    app.runtime.held = True
    following = asyncio.create_task(trained(app, session))
    await app.runtime.reached("train")
    await app.sessions.close(session.principal, session.session_id)
    events = await following
    assert [each.status for each in events] == [TrainStatus.IN_PROGRESS, TrainStatus.CANCELLED]
    assert events[-1].failure is not None
    assert events[-1].failure.reason is Reason.SESSION_CLOSING


async def test_a_run_without_an_event_is_in_progress_all_the_same(app: Application) -> None:
    session = await app.loaded()
    assert app.training.status(session) is None
    app.runtime.held = True
    following = asyncio.create_task(trained(app, session))
    await app.runtime.reached("train")
    status = app.training.status(session)
    assert status is not None
    assert (status.status, status.phase, status.sequence) == (TrainStatus.IN_PROGRESS, Phase.STATISTICAL, 0)
    app.runtime.worker.proceed(5)
    events = await following
    assert {each.run_id for each in events} == {status.run_id}
    assert app.training.status(session) == events[-1]


async def test_joining_a_run_before_its_first_event_sees_all_of_it(app: Application) -> None:
    session = await app.loaded()
    app.runtime.held = True
    following = [asyncio.create_task(trained(app, session)) for _ in range(2)]
    await app.runtime.reached("train")
    app.runtime.worker.proceed(5)
    one, two = await asyncio.gather(*following)
    assert one == two
    assert len(one) == 5


async def test_an_abandoned_run_whose_worker_is_gone_needs_no_stop(app: Application) -> None:
    session = await app.loaded()
    app.runtime.held = True
    events = app.training.train(session, TrainRequest(phase=Phase.STATISTICAL, cancel_on_disconnect=True))
    app.runtime.worker.proceed()
    await anext(events)
    app.runtime.worker.closed = True
    await events.aclose()


async def test_an_evaluation_that_nobody_follows_stops(app: Application) -> None:
    session = await app.loaded()
    app.runtime.held = True
    events = app.training.evaluate(session, Stage.TEST)
    app.runtime.worker.proceed()
    await anext(events)
    evaluation = session.evaluation
    assert evaluation is not None
    await events.aclose()
    await evaluation.ended()
    assert evaluation.latest is not None
    assert evaluation.latest.status is TrainStatus.CANCELLED
    job = app.runtime.worker.jobs[-1]
    assert isinstance(job, EvaluationJob)
    assert job.stage is Stage.TEST


async def test_an_evaluation_that_cannot_start_is_an_error(app: Application) -> None:
    session = await app.loaded()
    app.runtime.plan = (Failure(Reason.DATASET_INVALID, "no such split"),)
    with pytest.raises(Failure, match="no such split"):
        await anext(app.training.evaluate(session, Stage.TEST))
    assert session.working is None
