"""GetTrainStatus tells the latest; StopTrain ends a run soon, and the session works on."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from catenary.v1.error_pb2 import ERROR_REASON_SESSION_CLOSING, ERROR_REASON_TRAIN_CANCELLED
from catenary.v1.session_requests_pb2 import CloseSessionRequest
from catenary.v1.training_pb2 import (
    TRAIN_STATUS_CANCELLED,
    TRAIN_STATUS_IN_PROGRESS,
    TRAIN_STATUS_PAUSED,
    TRAIN_STATUS_UNSPECIFIED,
    TRAINER_TYPE_STATISTICAL,
    TrainResponse,
)
from catenary.v1.training_requests_pb2 import GetTrainStatusRequest, StopTrainRequest, TrainRequest
from catenary_conformance import progress, rpcs
from catenary_conformance.requirement import capability, requirement
from catenary_conformance.running import running

if TYPE_CHECKING:
    from catenary_conformance.target import Target
    from catenary_conformance.workload import Workload


def _latest(target: Target, session_id: str) -> TrainResponse:
    return rpcs.GET_TRAIN_STATUS.ok(target, GetTrainStatusRequest(session_id=session_id)).latest_progress


@requirement("CAT-TRN-017")
def test_before_the_first_run_the_status_is_unspecified(target: Target, session: str) -> None:
    assert _latest(target, session).status == TRAIN_STATUS_UNSPECIFIED


@requirement("CAT-TRN-016")
def test_while_a_run_works_it_is_in_progress_until_it_ends(target: Target, workload: Workload) -> None:
    with running(target, workload) as run:
        during = _latest(target, run.session_id)
        assert during.status in {TRAIN_STATUS_IN_PROGRESS, TRAIN_STATUS_PAUSED}
        assert during.run_id == run.first.run_id
        messages = run.stop()
        assert _latest(target, run.session_id) == messages[-1], "the status is not that of the end"


@requirement("CAT-TRN-016")
def test_after_a_run_the_latest_progress_is_its_terminal_message(target: Target, workload: Workload) -> None:
    session_id = workload.open_session()
    workload.configure(session_id)
    request = TrainRequest(session_id=session_id, trainer_type=TRAINER_TYPE_STATISTICAL)
    messages = rpcs.TRAIN.all(target, request)
    assert _latest(target, session_id) == messages[-1]
    assert _latest(target, session_id) == messages[-1]


@requirement("CAT-TRN-018")
def test_a_stopped_run_ends_cancelled_within_a_batch_and_a_second(target: Target, workload: Workload) -> None:
    with running(target, workload) as run:
        allowed = run.batch_and_second()
        began = time.monotonic()
        answer = rpcs.STOP_TRAIN.ok(target, StopTrainRequest(session_id=run.session_id))
        assert answer.accepted
        assert answer.run_id == run.first.run_id
        run.stream.end().expect_ok()
        took = time.monotonic() - began
        messages = list(run.stream.received)
    assert took <= allowed, f"it went on for {took:.1f} s"
    assert messages[-1].status == TRAIN_STATUS_CANCELLED
    assert messages[-1].failure.reason == ERROR_REASON_TRAIN_CANCELLED
    progress.check_run(messages)


@requirement("CAT-TRN-019")
def test_stopping_with_nothing_running_succeeds_and_accepts_nothing(target: Target, session: str) -> None:
    for _ in range(2):
        answer = rpcs.STOP_TRAIN.ok(target, StopTrainRequest(session_id=session))
        assert not answer.accepted
        assert not answer.run_id


@requirement("CAT-TRN-019")
def test_stopping_a_run_that_was_stopped_accepts_nothing(target: Target, workload: Workload) -> None:
    with running(target, workload) as run:
        run.stop()
        assert not rpcs.STOP_TRAIN.ok(target, StopTrainRequest(session_id=run.session_id)).accepted


@requirement("CAT-TRN-020")
@capability("inference")
def test_after_a_stop_the_session_trains_and_infers_again(target: Target, workload: Workload) -> None:
    with running(target, workload) as run:
        run.stop()
        workload.outputs(run.session_id)
        workload.train(run.session_id, TRAINER_TYPE_STATISTICAL)
        workload.outputs(run.session_id)


@requirement("CAT-TRN-011", "CAT-TRN-037")
def test_closing_the_session_ends_the_run_cancelled_with_session_closing(target: Target, workload: Workload) -> None:
    with running(target, workload) as run:
        rpcs.CLOSE_SESSION.ok(target, CloseSessionRequest(session_id=run.session_id))
        run.stream.end().expect_ok()
        messages = list(run.stream.received)
    assert messages[-1].status == TRAIN_STATUS_CANCELLED
    assert messages[-1].failure.reason == ERROR_REASON_SESSION_CLOSING
    progress.check_run(messages)
