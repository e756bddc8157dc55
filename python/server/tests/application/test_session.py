from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from catenary_server.application.runs import Run
from catenary_server.application.session import KEPT_RUNS
from catenary_server.domain.failure import Failure, Reason
from catenary_server.domain.progress import Progress
from catenary_server.domain.session import SessionState

if TYPE_CHECKING:
    from application import Application


def test_a_transition_that_the_contract_does_not_allow_is_a_bug(app: Application) -> None:
    session = app.session()
    session.enter(SessionState.IDLE)
    with pytest.raises(AssertionError, match="cannot become"):
        session.enter(SessionState.TRAINING)


def test_without_a_pipeline_the_state_is_invalid(app: Application) -> None:
    with pytest.raises(Failure) as caught:
        app.session().require_pipeline()
    assert caught.value.reason is Reason.STATE_INVALID


async def test_while_a_session_closes_everything_is_told_so(app: Application) -> None:
    session = await app.loaded()
    session.enter(SessionState.CLOSING)
    for use in (session.require_pipeline, session.require_idle):
        with pytest.raises(Failure) as caught:
            use()
        assert caught.value.reason is Reason.SESSION_CLOSING


async def test_a_worker_that_goes_because_the_session_closes_did_not_crash(app: Application) -> None:
    session = await app.loaded()

    def fail(state: SessionState, reason: Reason) -> None:
        with session.engaged():
            session.enter(state)
            raise Failure(reason, "text")

    def use(state: SessionState, reason: Reason) -> Reason:
        with pytest.raises(Failure) as caught:
            fail(state, reason)
        return caught.value.reason

    assert use(SessionState.READY, Reason.WORKER_CRASHED) is Reason.WORKER_CRASHED
    assert use(SessionState.CLOSING, Reason.NODE_FAILED) is Reason.NODE_FAILED
    session.state = SessionState.READY
    assert use(SessionState.CLOSING, Reason.WORKER_CRASHED) is Reason.SESSION_CLOSING


async def test_the_last_runs_are_remembered(app: Application) -> None:
    session = app.session()
    runs = [Run() for _ in range(KEPT_RUNS + 3)]
    for run in runs:
        session.remember(run)
    assert session.runs == runs[3:]
    assert session.run is runs[-1]
    session.forget(runs[-1])
    assert session.run is runs[-2]
    assert session.working is runs[-2]
    await runs[-2].fail_to_start(Failure(Reason.DATASET_INVALID, "no"))
    assert session.working is None
    session.evaluation = Run()
    await session.evaluation.publish(Progress())
    assert session.working is session.evaluation
