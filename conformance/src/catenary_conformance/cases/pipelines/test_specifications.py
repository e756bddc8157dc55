"""What a pipeline says that it takes, it takes; what it says that it gives, it gives."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from catenary.v1.inference_requests_pb2 import InferenceRequest
from catenary.v1.pipeline_requests_pb2 import GetPipelineInputsRequest, GetPipelineOutputsRequest
from catenary.v1.tensor_pb2 import D_TYPE_UNSPECIFIED
from catenary_conformance import rpcs
from catenary_conformance.requirement import capability, requirement

if TYPE_CHECKING:
    from collections.abc import Mapping

    from catenary.v1.tensor_pb2 import TensorSpec
    from catenary_conformance.target import Target
    from catenary_conformance.workload import Workload


def _well_formed(names: list[str], specs: Mapping[str, TensorSpec]) -> None:
    assert len(set(names)) == len(names), "a name comes twice"
    assert set(names) == set(specs), "names and keys of the specifications differ"
    for name, spec in specs.items():
        assert spec.name == name
        assert spec.dtype != D_TYPE_UNSPECIFIED, f"{name} has no element type"
        assert all(size == -1 or size >= 1 for size in spec.shape), f"{name}: {list(spec.shape)}"


@requirement("CAT-PIP-016")
@capability("training")
def test_names_and_specifications_of_inputs_are_the_same_set(target: Target, workload: Workload) -> None:
    answer = rpcs.GET_INPUTS.ok(target, GetPipelineInputsRequest(session_id=workload.trained()))
    assert answer.input_names, "a pipeline that takes nothing"
    _well_formed(list(answer.input_names), answer.input_specs)


@requirement("CAT-PIP-017")
@capability("training")
def test_names_and_specifications_of_outputs_are_the_same_set(target: Target, workload: Workload) -> None:
    answer = rpcs.GET_OUTPUTS.ok(target, GetPipelineOutputsRequest(session_id=workload.trained()))
    _well_formed(list(answer.output_names), answer.output_specs)
    nodes = {each["name"] for each in workload.pipeline["nodes"]}
    assert {name.partition(".")[0] for name in answer.output_names} <= nodes


@requirement("CAT-PIP-015", "CAT-PIP-017", "CAT-INF-021")
@capability("training", "inference")
def test_inputs_that_fit_are_accepted_and_give_the_outputs_named(target: Target, workload: Workload) -> None:
    session_id = workload.trained()
    specs = rpcs.GET_OUTPUTS.ok(target, GetPipelineOutputsRequest(session_id=session_id)).output_specs
    request = InferenceRequest(session_id=session_id, inputs=workload.inputs(session_id))
    answer = rpcs.INFER.ok(target, request)
    assert set(answer.outputs) | set(answer.metrics) == set(specs)
    for name, tensor in answer.outputs.items():
        spec = specs[name]
        assert tensor.dtype == spec.dtype, f"{name} has another element type than its specification"
        assert len(tensor.shape) == len(spec.shape), f"{name}: {list(tensor.shape)} for {list(spec.shape)}"
        fits = all(size in (-1, given) for size, given in zip(spec.shape, tensor.shape, strict=True))
        assert fits, f"{name}: {list(tensor.shape)} for {list(spec.shape)}"


@requirement("CAT-PIP-013")
@pytest.mark.parametrize("rpc", [rpcs.GET_INPUTS, rpcs.GET_OUTPUTS, rpcs.DRAW], ids=["inputs", "outputs", "drawing"])
def test_specifications_and_drawing_need_a_pipeline(target: Target, session: str, rpc: rpcs.Rpc[Any, Any]) -> None:
    rpc.refused(target, rpc.request(session_id=session), reason="STATE_INVALID")
