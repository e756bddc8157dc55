"""The state of a session changes only along its documented transitions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from catenary.v1.pipeline_pb2 import PipelineConfig
from catenary.v1.pipeline_requests_pb2 import LoadPipelineRequest
from catenary.v1.session_pb2 import (
    SESSION_STATE_IDLE,
    SESSION_STATE_READY,
    SESSION_STATE_TRAINING,
    SessionState,
)
from catenary.v1.session_requests_pb2 import CreateSessionRequest, GetSessionRequest
from catenary.v1.training_pb2 import TRAINER_TYPE_GRADIENT
from catenary.v1.training_requests_pb2 import TrainRequest
from catenary_conformance import rpcs
from catenary_conformance.requirement import capability, requirement
from catenary_conformance.workload import ENDLESS, canonical

if TYPE_CHECKING:
    from catenary_conformance.target import Target
    from catenary_conformance.workload import Workload


def _state(target: Target, session_id: str) -> str:
    state = rpcs.GET_SESSION.ok(target, GetSessionRequest(session_id=session_id)).session.state
    return SessionState.Name(state)


_IDLE, _READY = map(SessionState.Name, (SESSION_STATE_IDLE, SESSION_STATE_READY))


@requirement("CAT-SES-010")
def test_a_new_session_is_idle_and_searches_the_roots(target: Target) -> None:
    session = rpcs.CREATE_SESSION.ok(target, CreateSessionRequest()).session
    assert session.state == SESSION_STATE_IDLE
    assert not session.pipeline_name
    assert not session.HasField("failure")
    assert session.device
    assert session.device != "auto"


@requirement("CAT-SES-010")
@capability("pipelines", "training")
def test_a_session_is_ready_with_a_pipeline_and_training_with_a_run(target: Target, workload: Workload) -> None:
    session_id = workload.trained(epochs=ENDLESS)
    assert _state(target, session_id) == _READY
    request = TrainRequest(session_id=session_id, trainer_type=TRAINER_TYPE_GRADIENT)
    with rpcs.TRAIN.open(target, request) as stream:
        first = stream.receive()
        assert first is not None
        session = rpcs.GET_SESSION.ok(target, GetSessionRequest(session_id=session_id)).session
        assert session.state == SESSION_STATE_TRAINING
        assert session.run_id == first.run_id


@requirement("CAT-SES-010")
@capability("pipelines", "training")
def test_a_session_is_ready_again_once_its_run_has_ended(target: Target, workload: Workload) -> None:
    session_id = workload.trained()
    workload.train(session_id, TRAINER_TYPE_GRADIENT)
    assert _state(target, session_id) == _READY
    assert _state(target, session_id) == _READY


@requirement("CAT-SES-010")
@capability("pipelines")
def test_a_load_that_is_refused_leaves_a_session_idle(target: Target, workload: Workload) -> None:
    session_id = workload.open_session()
    broken = {"nodes": [{"name": "a", "class_name": target.unique("NoSuchNode")}]}
    request = LoadPipelineRequest(session_id=session_id, pipeline=PipelineConfig(config_bytes=canonical(broken)))
    rpcs.LOAD_PIPELINE.refused(target, request, reason="NODE_TYPE_UNKNOWN")
    assert _state(target, session_id) == _IDLE


@requirement("CAT-SES-010")
@capability("pipelines", "training")
def test_a_load_that_is_refused_leaves_a_session_with_a_pipeline_ready(target: Target, workload: Workload) -> None:
    session_id = workload.open_session()
    workload.configure(session_id)
    broken = {"nodes": [{"name": "a", "class_name": target.unique("NoSuchNode")}]}
    request = LoadPipelineRequest(session_id=session_id, pipeline=PipelineConfig(config_bytes=canonical(broken)))
    rpcs.LOAD_PIPELINE.refused(target, request, reason="NODE_TYPE_UNKNOWN")
    assert _state(target, session_id) == _READY
