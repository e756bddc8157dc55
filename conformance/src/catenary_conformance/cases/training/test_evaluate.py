"""Evaluating measures and changes nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from catenary.v1.execution_stage_pb2 import (
    EXECUTION_STAGE_TEST,
    EXECUTION_STAGE_VALIDATE,
    ExecutionStage,
)
from catenary.v1.training_pb2 import TRAIN_STATUS_COMPLETED, TRAINER_TYPE_UNSPECIFIED
from catenary.v1.training_requests_pb2 import EvaluateRequest, GetTrainStatusRequest, WatchTrainingRequest
from catenary_conformance import progress, rpcs
from catenary_conformance.requirement import capability, requirement
from catenary_conformance.running import running

if TYPE_CHECKING:
    from catenary_conformance.target import Target
    from catenary_conformance.workload import Workload

_STAGES = pytest.mark.parametrize("stage", [EXECUTION_STAGE_VALIDATE, EXECUTION_STAGE_TEST], ids=["validate", "test"])


@requirement("CAT-TRN-022")
@_STAGES
def test_an_evaluation_has_one_terminal_message_and_the_stage_asked_for(
    target: Target, workload: Workload, stage: ExecutionStage.ValueType
) -> None:
    request = EvaluateRequest(session_id=workload.trained(), stage=stage)
    messages = [each.progress for each in rpcs.EVALUATE.all(target, request)]
    progress.check_terminal(messages)
    progress.check_identity(messages)
    progress.check_failure(messages)
    assert messages[-1].status == TRAIN_STATUS_COMPLETED
    assert {each.context.stage for each in messages} == {stage}
    assert {each.phase for each in messages} == {TRAINER_TYPE_UNSPECIFIED}


@requirement("CAT-TRN-021")
@capability("inference")
@_STAGES
def test_an_evaluation_leaves_every_weight_as_it_was(
    target: Target, workload: Workload, stage: ExecutionStage.ValueType
) -> None:
    session_id = workload.trained()
    before = workload.outputs(session_id)
    request = EvaluateRequest(session_id=session_id, stage=stage, data=workload.data_config)
    first = rpcs.EVALUATE.all(target, request)[-1].progress
    assert workload.outputs(session_id) == before
    again = rpcs.EVALUATE.all(target, request)[-1].progress
    assert (dict(first.losses), dict(first.metrics)) == (dict(again.losses), dict(again.metrics))


@requirement("CAT-TRN-021")
def test_an_evaluation_is_no_run(target: Target, workload: Workload) -> None:
    session_id = workload.trained()
    rpcs.EVALUATE.all(target, EvaluateRequest(session_id=session_id, stage=EXECUTION_STAGE_TEST))
    status = rpcs.GET_TRAIN_STATUS.ok(target, GetTrainStatusRequest(session_id=session_id))
    assert not status.latest_progress.run_id
    rpcs.WATCH_TRAINING.refused(target, WatchTrainingRequest(session_id=session_id), reason="STATE_INVALID")


@requirement("CAT-TRN-023")
def test_evaluating_while_the_session_trains_is_refused(target: Target, workload: Workload) -> None:
    with running(target, workload) as run:
        request = EvaluateRequest(session_id=run.session_id, stage=EXECUTION_STAGE_TEST)
        messages, answer = rpcs.EVALUATE.exchange(target, request)
        rpcs.expect_reason(answer, "ALREADY_TRAINING")
        assert not messages
        run.still_goes_on()


@requirement("CAT-TRN-022")
def test_an_evaluation_needs_a_pipeline(target: Target, session: str) -> None:
    request = EvaluateRequest(session_id=session, stage=EXECUTION_STAGE_TEST)
    rpcs.EVALUATE.refused(target, request, reason="STATE_INVALID")
