"""While a session trains, its pipeline cannot be replaced, and the run goes on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from catenary.v1.pipeline_requests_pb2 import (
    GetPipelineInputsRequest,
    GetPipelineOutputsRequest,
    LoadPipelineWeightsRequest,
    SavePipelineRequest,
)
from catenary_conformance import rpcs
from catenary_conformance.requirement import capability, requirement
from catenary_conformance.running import running
from catenary_conformance.workload import FOLDER

if TYPE_CHECKING:
    from catenary_conformance.cases.pipelines.conftest import Pipelines
    from catenary_conformance.target import Target
    from catenary_conformance.workload import Workload


@requirement("CAT-PIP-004", "CAT-PIP-024")
@capability("training")
def test_loading_and_saving_while_the_session_trains_is_refused(
    target: Target, pipelines: Pipelines, workload: Workload
) -> None:
    weights_path = workload.weights_path
    with running(target, workload) as run:
        rpcs.LOAD_PIPELINE.refused(target, pipelines.load_request(run.session_id), reason="SESSION_BUSY")
        weights = LoadPipelineWeightsRequest(session_id=run.session_id, weights_path=weights_path)
        rpcs.LOAD_WEIGHTS.refused(target, weights, reason="SESSION_BUSY")
        save = SavePipelineRequest(session_id=run.session_id, pipeline_path=f"{FOLDER}/busy")
        rpcs.SAVE_PIPELINE.refused(target, save, reason="SESSION_BUSY")
        run.still_goes_on()


@requirement("CAT-PIP-016", "CAT-PIP-017")
@capability("training")
def test_specifications_answer_while_the_session_trains(target: Target, workload: Workload) -> None:
    with running(target, workload) as run:
        rpcs.GET_INPUTS.ok(target, GetPipelineInputsRequest(session_id=run.session_id))
        rpcs.GET_OUTPUTS.ok(target, GetPipelineOutputsRequest(session_id=run.session_id))
        run.still_goes_on()
