"""Carries what a worker reports into a run, to the run's one final event, whoever watches."""

from __future__ import annotations

import contextlib
import dataclasses
from typing import TYPE_CHECKING

from catenary_server.domain.checkpoint import Checkpoint
from catenary_server.domain.failure import Failure, Reason
from catenary_server.domain.progress import Progress, RunFailure
from catenary_server.domain.session import SessionState
from catenary_server.domain.training import TrainStatus

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from catenary_server.application.checkpoints import CheckpointFolder
    from catenary_server.application.runs import Run
    from catenary_server.application.session import Session
    from catenary_server.domain.training import Stage


async def drive(
    session: Session,
    run: Run,
    reports: AsyncIterator[Progress | Checkpoint | str],
    stage: Stage,
    folder: CheckpointFolder | None = None,
) -> None:
    """Publish every report and keep every checkpoint; the closing message, or the failure, becomes the final event.

    Args:
        session: whose run it is; a run of TRAINING state frees it before the final event is seen.
        run: where the events go.
        reports: a worker's reports, then its closing message.
        stage: the stage that the final event names; in an evaluation, every event.
        folder: where checkpoints go; a run that cannot keep one is stopped and fails.
    """
    fault: Failure | None = None
    try:
        async for report in reports:
            if isinstance(report, Checkpoint):
                fault = fault or await _keep(session, run, report, folder)
            elif isinstance(report, Progress):
                await run.publish(report if run.phase is not None else dataclasses.replace(report, stage=stage))
            elif fault is not None:
                await _end_early(session, run, stage, fault)
            else:
                await _finish(session, run, Progress(stage=stage, status=TrainStatus.COMPLETED, message=report))
    except Failure as failure:
        await _end_early(session, run, stage, fault or failure)
    except BaseException:
        bug = Failure(Reason.INTERNAL_BUG, "the run ended by a fault of the server")
        await _end_early(session, run, stage, bug)
        raise


async def _keep(session: Session, run: Run, checkpoint: Checkpoint, folder: CheckpointFolder | None) -> Failure | None:
    """Write a checkpoint and say where it is; if that fails, ask the run to end and say why."""
    if folder is None:
        return None
    try:
        name = await folder.keep(checkpoint)
    except Failure as failure:
        with contextlib.suppress(Failure), session.engaged() as pipeline:  # a worker that is gone has stopped
            await pipeline.worker.stop_training()
        return failure
    told = dataclasses.replace(
        run.latest or Progress(),
        status=TrainStatus.IN_PROGRESS,
        message=f"Checkpoint saved: {name}",
        losses={},
        metrics={},
        time=0.0,
    )
    await run.publish(told)
    return None


async def _end_early(session: Session, run: Run, stage: Stage, failure: Failure) -> None:
    closing = session.state is SessionState.CLOSING
    if run.latest is None and not closing:
        _settle(session)
        session.forget(run)
        await run.fail_to_start(failure)
        return
    told = session.closing_failure() if closing else failure
    cancelled = told.reason in (Reason.SESSION_CLOSING, Reason.TRAIN_CANCELLED)
    await _finish(
        session,
        run,
        Progress(
            stage=stage,
            status=TrainStatus.CANCELLED if cancelled else TrainStatus.FAILED,
            message=told.message,
            failure=RunFailure(told.reason, told.message),
        ),
    )


async def _finish(session: Session, run: Run, last: Progress) -> None:
    """Close the run with counters where its last report left them; an evaluation's end has its metrics.

    Its place is that of the last report of the same stage: a validation counts its batches by itself.
    """
    if run.latest is None:
        await run.publish(Progress(stage=last.stage))  # a run begins IN_PROGRESS, however short it is
    latest = run.latest or last
    place = run.latest_of(last.stage) or latest
    _settle(session)
    await run.publish(
        dataclasses.replace(
            latest,
            stage=last.stage,
            epoch=place.epoch,
            batch_index=place.batch_index,
            global_step=place.global_step,
            status=last.status,
            message=last.message,
            failure=last.failure,
            losses={},
            metrics=latest.metrics if run.phase is None else {},
            remaining_seconds=None,
            time=0.0,
        )
    )


def _settle(session: Session) -> None:
    """The session is free again before the final event is seen, so that the next call is not refused."""
    if session.state is SessionState.TRAINING:
        session.enter(SessionState.READY)
