"""A saved pipeline is what was loaded; saving replaces files as a whole, inside the roots."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from catenary.v1.config_requests_pb2 import ResolveConfigRequest
from catenary.v1.pipeline_pb2 import PipelineConfig, PipelineMetadata
from catenary.v1.pipeline_requests_pb2 import LoadPipelineRequest, LoadPipelineWeightsRequest, SavePipelineRequest
from catenary_conformance import rpcs
from catenary_conformance.requirement import capability, requirement
from catenary_conformance.workload import FOLDER

if TYPE_CHECKING:
    from catenary_conformance.cases.pipelines.conftest import Pipelines
    from catenary_conformance.target import Target
    from catenary_conformance.workload import Workload


def _definition(target: Target, session_id: str, path: str) -> bytes:
    request = ResolveConfigRequest(session_id=session_id, config_type="pipeline", path=path)
    return rpcs.RESOLVE_CONFIG.ok(target, request).config_bytes


@requirement("CAT-PIP-010", "CAT-PIP-014")
@capability("training", "inference", "configs")
def test_a_saved_pipeline_infers_the_same_in_another_session(
    target: Target, pipelines: Pipelines, workload: Workload
) -> None:
    here, there = workload.trained(), workload.open_session()
    inputs = workload.inputs(here)
    saved = rpcs.SAVE_PIPELINE.ok(target, SavePipelineRequest(session_id=here, pipeline_path=f"{FOLDER}/saved"))
    definition = PipelineConfig(config_bytes=_definition(target, there, saved.pipeline_path))
    rpcs.LOAD_PIPELINE.ok(target, LoadPipelineRequest(session_id=there, pipeline=definition))
    weights = LoadPipelineWeightsRequest(session_id=there, weights_path=saved.weights_path)
    assert rpcs.LOAD_WEIGHTS.ok(target, weights).resolved_path == saved.weights_path
    assert pipelines.outputs(there, inputs) == pipelines.outputs(here, inputs)


@requirement("CAT-PIP-011")
@capability("training", "configs")
def test_saving_again_replaces_unless_that_is_forbidden(target: Target, workload: Workload) -> None:
    session_id = workload.open_session()
    workload.configure(session_id)
    path = f"{FOLDER}/replaced"

    def request(mark: str, *, must_not_exist: bool = False) -> SavePipelineRequest:
        return SavePipelineRequest(
            session_id=session_id,
            pipeline_path=path,
            metadata=PipelineMetadata(description=mark),
            must_not_exist=must_not_exist,
        )

    for mark in (target.unique("one"), target.unique("two")):
        rpcs.SAVE_PIPELINE.ok(target, request(mark))
        assert mark.encode() in _definition(target, session_id, path)
    rpcs.SAVE_PIPELINE.refused(target, request("three", must_not_exist=True), reason="ARTIFACT_EXISTS")
    assert mark.encode() in _definition(target, session_id, path), "a refused save changed the file"


@requirement("CAT-PIP-012")
@capability("training")
@pytest.mark.parametrize("path", ["../escaped", "/escaped", "a/../../escaped", "/tmp/escaped", ".."])  # noqa: S108
def test_a_path_that_leaves_the_roots_is_refused(target: Target, workload: Workload, path: str) -> None:
    session_id = workload.open_session()
    workload.configure(session_id)
    request = SavePipelineRequest(session_id=session_id, pipeline_path=path)
    rpcs.SAVE_PIPELINE.refused(target, request, reason="PATH_INVALID")


@requirement("CAT-PIP-013")
def test_there_is_nothing_to_save_without_a_pipeline(target: Target, session: str) -> None:
    request = SavePipelineRequest(session_id=session, pipeline_path=f"{FOLDER}/nothing")
    rpcs.SAVE_PIPELINE.refused(target, request, reason="STATE_INVALID")


@requirement("CAT-PIP-025")
@capability("training")
def test_a_retry_answers_the_same_paths_and_another_body_is_a_conflict(target: Target, workload: Workload) -> None:
    session_id = workload.open_session()
    workload.configure(session_id)
    request = SavePipelineRequest(
        session_id=session_id, pipeline_path=f"{FOLDER}/retried", request_id=target.unique("save")
    )
    first = rpcs.SAVE_PIPELINE.ok(target, request)
    assert rpcs.SAVE_PIPELINE.ok(target, request) == first
    other = SavePipelineRequest(session_id=session_id, pipeline_path=f"{FOLDER}/other", request_id=request.request_id)
    rpcs.SAVE_PIPELINE.refused(target, other, reason="IDEMPOTENCY_CONFLICT")


@requirement("CAT-PIP-011", "CAT-PIP-025")
@capability("training")
def test_a_retry_of_a_save_that_must_not_replace_is_no_conflict_with_itself(target: Target, workload: Workload) -> None:
    session_id = workload.open_session()
    workload.configure(session_id)
    request = SavePipelineRequest(
        session_id=session_id,
        pipeline_path=workload.fresh_path("once"),
        request_id=target.unique("save"),
        must_not_exist=True,
    )
    first = rpcs.SAVE_PIPELINE.ok(target, request)
    assert rpcs.SAVE_PIPELINE.ok(target, request) == first
