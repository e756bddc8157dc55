"""A train run configuration is taken as a whole or not at all."""

from __future__ import annotations

from typing import TYPE_CHECKING

from catenary.v1.pipeline_pb2 import PipelineConfig
from catenary.v1.pipeline_requests_pb2 import LoadPipelineRequest
from catenary.v1.session_requests_pb2 import GetSessionRequest
from catenary.v1.train_run_config_pb2 import SaveTrainRunRequest, SetTrainRunConfigRequest, TrainRunConfig
from catenary.v1.training_pb2 import TRAINER_TYPE_STATISTICAL
from catenary_conformance import rpcs
from catenary_conformance.graphs import node
from catenary_conformance.requirement import requirement
from catenary_conformance.running import running
from catenary_conformance.workload import FOLDER, Json, canonical

if TYPE_CHECKING:
    from catenary_conformance.target import Target
    from catenary_conformance.workload import Workload


def _set(session_id: str, config: Json) -> SetTrainRunConfigRequest:
    return SetTrainRunConfigRequest(session_id=session_id, config=TrainRunConfig(config_bytes=canonical(config)))


def _without_pipeline(workload: Workload) -> Json:
    return {**workload.trainrun(), "pipeline": None}


@requirement("CAT-TRN-001")
def test_a_configuration_with_a_pipeline_builds_it(target: Target, workload: Workload) -> None:
    session_id = workload.open_session()
    assert rpcs.SET_TRAINRUN.ok(target, _set(session_id, workload.trainrun())).pipeline_from_config
    assert rpcs.GET_SESSION.ok(target, GetSessionRequest(session_id=session_id)).session.pipeline_name


@requirement("CAT-TRN-001")
def test_a_configuration_without_a_pipeline_keeps_the_loaded_one(target: Target, workload: Workload) -> None:
    session_id = workload.open_session()
    pipeline = PipelineConfig(config_bytes=canonical(workload.pipeline))
    rpcs.LOAD_PIPELINE.ok(target, LoadPipelineRequest(session_id=session_id, pipeline=pipeline))
    workload.load_weights(session_id)
    before = workload.outputs(session_id)
    assert not rpcs.SET_TRAINRUN.ok(target, _set(session_id, _without_pipeline(workload))).pipeline_from_config
    assert workload.outputs(session_id) == before
    workload.train(session_id, TRAINER_TYPE_STATISTICAL)


@requirement("CAT-TRN-003")
def test_a_configuration_without_a_pipeline_needs_a_session_with_one(target: Target, workload: Workload) -> None:
    session_id = workload.open_session()
    rpcs.SET_TRAINRUN.refused(target, _set(session_id, _without_pipeline(workload)), reason="STATE_INVALID")


@requirement("CAT-TRN-002")
def test_a_refused_configuration_leaves_the_previous_one_and_its_pipeline(target: Target, workload: Workload) -> None:
    session_id = workload.trained()
    before = workload.outputs(session_id)
    unknown = {"nodes": [node("a", target.unique("NoSuchNode"))]}
    config = workload.trainrun()
    config["training"]["seed"] = "word"
    for refused, reason in (
        (config, "CONFIG_INVALID"),
        (workload.trainrun(pipeline=unknown, loss_nodes=[], metric_nodes=[]), "NODE_TYPE_UNKNOWN"),
        ({**workload.trainrun(), "_target_": "os.system"}, "CONFIG_TARGET_FORBIDDEN"),
    ):
        rpcs.SET_TRAINRUN.refused(target, _set(session_id, refused), reason=reason)
        assert workload.outputs(session_id) == before
    workload.train(session_id, TRAINER_TYPE_STATISTICAL)
    rpcs.SAVE_TRAINRUN.ok(target, SaveTrainRunRequest(session_id=session_id, trainrun_path=f"{FOLDER}/kept-config"))


@requirement("CAT-TRN-004")
def test_setting_a_configuration_while_the_session_trains_is_refused(target: Target, workload: Workload) -> None:
    with running(target, workload) as run:
        request = _set(run.session_id, workload.trainrun())
        rpcs.SET_TRAINRUN.refused(target, request, reason="SESSION_BUSY")
        run.still_goes_on()
