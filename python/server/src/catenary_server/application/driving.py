"""Carries what a worker reports into a run, to the run's one final event, whoever watches."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from catenary_server.domain.failure import Failure, Reason
from catenary_server.domain.progress import Progress, RunFailure
from catenary_server.domain.session import SessionState
from catenary_server.domain.training import TrainStatus

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from catenary_server.application.runs import Run
    from catenary_server.application.session import Session
    from catenary_server.domain.training import Stage


async def drive(session: Session, run: Run, reports: AsyncIterator[Progress | str], stage: Stage) -> None:
    """Publish every report; the closing message, or the failure, becomes the final event.

    Args:
        session: whose run it is; a run of TRAINING state frees it before the final event is seen.
        run: where the events go.
        reports: a worker's reports, then its closing message.
        stage: the stage that the final event names; in an evaluation, every event.
    """
    try:
        async for report in reports:
            if isinstance(report, str):
                await _finish(session, run, Progress(stage=stage, status=TrainStatus.COMPLETED, message=report))
            else:
                await run.publish(report if run.phase is not None else dataclasses.replace(report, stage=stage))
    except Failure as failure:
        await _end_early(session, run, stage, failure)
    except BaseException:
        bug = Failure(Reason.INTERNAL_BUG, "the run ended by a fault of the server")
        await _end_early(session, run, stage, bug)
        raise


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
    """Close the run with counters where its last report left them; an evaluation's end has its metrics."""
    if run.latest is None:
        await run.publish(Progress(stage=last.stage))  # a run begins IN_PROGRESS, however short it is
    latest = run.latest or last
    _settle(session)
    await run.publish(
        dataclasses.replace(
            latest,
            stage=last.stage,
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
