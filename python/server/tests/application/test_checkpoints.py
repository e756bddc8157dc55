from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import pytest
from application import Application, content
from fake_configs import TRAINRUN

from catenary_server.application.runs import TrainRequest
from catenary_server.domain.checkpoint import Checkpoint
from catenary_server.domain.failure import Failure, Reason
from catenary_server.domain.progress import Progress
from catenary_server.domain.training import CallbacksConfig, CheckpointConfig, Phase, TrainingJob, TrainStatus

if TYPE_CHECKING:
    from pathlib import Path

    from catenary_server.application.session import Session

GRADIENT = TrainRequest(phase=Phase.GRADIENT)
LAST = Checkpoint(name="last", epochs_done=1, content=memoryview(b"state of the run"))
BEST = Checkpoint(name="best", epochs_done=1, content=memoryview(b"best state"))


async def keeping(app: Application, resume_from: str | None = None) -> Session:
    """A session whose runs keep checkpoints."""
    session = await app.loaded()
    assert session.trainrun is not None
    settings = dataclasses.replace(
        session.trainrun.training,
        callbacks=CallbacksConfig(checkpoint=CheckpointConfig()),
        resume_from=resume_from,
    )
    session.trainrun = dataclasses.replace(session.trainrun, training=settings, output_dir="runs/one")
    app.runtime.plan = (Progress(global_step=3), LAST, BEST, "Training complete (1 epochs)")
    return session


async def trained(app: Application, session: Session, request: TrainRequest = GRADIENT) -> list[Progress]:
    return [event.progress async for event in app.training.train(session, request)]


async def refused(app: Application, session: Session) -> Failure:
    with pytest.raises(Failure) as caught:
        await trained(app, session)
    return caught.value


async def test_checkpoints_are_files_of_the_owner_and_said_in_the_stream(app: Application, tmp_path: Path) -> None:
    session = await keeping(app)
    events = await trained(app, session)
    assert [event.message for event in events] == [
        "",
        "Checkpoint saved: runs/one/checkpoints/last.safetensors",
        "Checkpoint saved: runs/one/checkpoints/best.safetensors",
        "Training complete (1 epochs)",
    ]
    assert [event.global_step for event in events] == [3] * 4
    assert events[-1].status is TrainStatus.COMPLETED
    assert await session.area.read(session.area.find("runs/one/checkpoints/last", (".safetensors",))) == LAST.content
    assert len(list((tmp_path / "artifacts").rglob("*.safetensors"))) == 2


async def test_a_run_that_cannot_keep_its_checkpoints_fails_by_what_is_wrong(app: Application, tmp_path: Path) -> None:
    session = await keeping(app)
    folder = session.area.locate("runs/one")
    folder.parent.mkdir(parents=True)
    folder.write_text("a file where the folder should be")
    failure = await refused(app, session)
    assert failure.reason is Reason.PATH_NOT_ALLOWED
    folder.unlink()
    folder.mkdir()
    (folder / "checkpoints").mkdir()
    (folder / "checkpoints" / "last.safetensors").mkdir()
    events = await trained(app, session)
    assert events[-1].status is TrainStatus.FAILED
    assert events[-1].failure is not None
    assert events[-1].failure.reason is Reason.PATH_NOT_ALLOWED


async def test_an_output_folder_outside_the_area_is_refused_before_the_run(app: Application) -> None:
    session = await keeping(app)
    assert session.trainrun is not None
    session.trainrun = dataclasses.replace(session.trainrun, output_dir="../elsewhere")
    assert (await refused(app, session)).reason is Reason.PATH_INVALID
    assert session.run is None


async def test_a_run_is_taken_up_from_a_file_of_the_area(app: Application) -> None:
    session = await keeping(app)
    await trained(app, session)
    resuming = await keeping(app, resume_from="runs/one/checkpoints/last")
    await trained(app, resuming)
    job = app.runtime.worker.jobs[-1]
    assert isinstance(job, TrainingJob)
    assert job.checkpoint == LAST.content
    await trained(app, resuming, TrainRequest(phase=Phase.STATISTICAL))
    job = app.runtime.worker.jobs[-1]
    assert isinstance(job, TrainingJob)
    assert job.checkpoint is None


@pytest.mark.parametrize(
    ("path", "reason"), [("nowhere", Reason.ARTIFACT_NOT_FOUND), ("../../etc/passwd", Reason.PATH_INVALID)]
)
async def test_a_checkpoint_that_is_not_there_keeps_a_run_from_starting(
    app: Application, path: str, reason: Reason
) -> None:
    session = await keeping(app, resume_from=path)
    assert (await refused(app, session)).reason is reason
    assert session.run is None
    await app.training.set_config(session, content(TRAINRUN))
