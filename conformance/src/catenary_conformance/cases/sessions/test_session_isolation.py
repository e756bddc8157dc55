"""What is set, loaded or trained in one session is not seen in another."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from catenary.v1.pipeline_requests_pb2 import GetPipelineInputsRequest
from catenary.v1.session_requests_pb2 import GetSessionRequest, SetSessionSearchPathsRequest
from catenary.v1.training_pb2 import TRAIN_STATUS_UNSPECIFIED, TRAINER_TYPE_STATISTICAL
from catenary.v1.training_requests_pb2 import GetTrainStatusRequest, WatchTrainingRequest
from catenary_conformance import rpcs
from catenary_conformance.requirement import capability, requirement

if TYPE_CHECKING:
    from catenary_conformance.target import Target
    from catenary_conformance.workload import Workload


@requirement("CAT-SES-005")
def test_search_paths_of_one_session_are_not_those_of_another(target: Target, workload: Workload) -> None:
    here, there = workload.open_session(), workload.open_session()
    before = rpcs.GET_SESSION.ok(target, GetSessionRequest(session_id=there)).session.search_paths
    if not before:
        pytest.skip("the target has no configs roots")
    paths = [before[0], before[0]]
    rpcs.SET_SEARCH_PATHS.ok(target, SetSessionSearchPathsRequest(session_id=here, search_paths=paths, append=True))
    after = rpcs.GET_SESSION.ok(target, GetSessionRequest(session_id=there)).session.search_paths
    assert list(after) == list(before)


@requirement("CAT-SES-005")
@capability("pipelines", "training")
def test_a_pipeline_loaded_into_one_session_is_not_in_another(target: Target, workload: Workload) -> None:
    here, there = workload.open_session(), workload.open_session()
    workload.load_pipeline(here)
    rpcs.GET_INPUTS.refused(target, GetPipelineInputsRequest(session_id=there), reason="STATE_INVALID")
    rpcs.GET_INPUTS.ok(target, GetPipelineInputsRequest(session_id=here))


@requirement("CAT-SES-005")
@capability("pipelines", "training")
def test_a_pipeline_loaded_and_trained_in_one_session_is_not_in_another(target: Target, workload: Workload) -> None:
    here, there = workload.open_session(), workload.open_session()
    workload.configure(here)
    workload.train(here, TRAINER_TYPE_STATISTICAL)
    rpcs.GET_INPUTS.refused(target, GetPipelineInputsRequest(session_id=there), reason="STATE_INVALID")
    status = rpcs.GET_TRAIN_STATUS.ok(target, GetTrainStatusRequest(session_id=there))
    assert status.latest_progress.status == TRAIN_STATUS_UNSPECIFIED
    rpcs.WATCH_TRAINING.refused(target, WatchTrainingRequest(session_id=there), reason="STATE_INVALID")
    session = rpcs.GET_SESSION.ok(target, GetSessionRequest(session_id=there)).session
    assert not session.pipeline_name
    assert not session.run_id
