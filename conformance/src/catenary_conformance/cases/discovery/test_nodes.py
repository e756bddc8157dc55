"""Node types are listed once, and a pipeline of what is listed is accepted."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from catenary.v1.discovery_service_pb2 import ListAvailableNodesRequest
from catenary.v1.pipeline_pb2 import PipelineConfig
from catenary.v1.pipeline_requests_pb2 import GetPipelineInputsRequest, GetPipelineOutputsRequest, LoadPipelineRequest
from catenary_conformance import rpcs
from catenary_conformance.graphs import node
from catenary_conformance.pages import walk
from catenary_conformance.requirement import capability, requirement
from catenary_conformance.workload import canonical

if TYPE_CHECKING:
    from catenary.v1.node_pb2 import NodeInfo
    from catenary_conformance.target import Target

_DEFAULTS: dict[str, type | tuple[type, ...]] = {
    "number": (int, float),
    "integer": int,
    "string": str,
    "boolean": bool,
    "array": list,
    "object": dict,
}


def _all(target: Target) -> list[NodeInfo]:
    return walk(target, rpcs.LIST_NODES, "nodes")


@requirement("CAT-DIS-008")
@pytest.mark.parametrize("page_size", [1, 4, 1000])
def test_following_the_page_tokens_gives_every_node_type_once_sorted_by_name(target: Target, page_size: int) -> None:
    whole = _all(target)
    names = [each.class_name for each in whole]
    assert names == sorted(set(names))
    assert walk(target, rpcs.LIST_NODES, "nodes", page_size=page_size) == whole


@requirement("CAT-DIS-008")
def test_a_page_token_that_the_server_never_gave_is_refused(target: Target) -> None:
    request = ListAvailableNodesRequest(page_token=target.unique("token"))
    rpcs.LIST_NODES.refused(target, request, reason="FIELD_INVALID")


@requirement("CAT-DIS-008")
@capability("sessions")
def test_the_node_types_of_a_session_without_plugins_are_those_without_a_session(target: Target, session: str) -> None:
    assert walk(target, rpcs.LIST_NODES, "nodes", session_id=session) == _all(target)
    unknown = ListAvailableNodesRequest(session_id=target.unique("nobody"))
    rpcs.LIST_NODES.refused(target, unknown, reason="SESSION_NOT_FOUND")


@requirement("CAT-DIS-009")
def test_a_description_is_consistent_in_itself(target: Target) -> None:
    for info in _all(target):
        for ports in (info.input_specs, info.output_specs):
            assert all(name == port.name for name, port in ports.items()), info.class_name
        for param in info.params:
            assert param.type in _DEFAULTS, f"{info.class_name}.{param.name} is of type {param.type!r}"
            assert param.required == (not param.default_value), f"{info.class_name}.{param.name}"
            if not param.required:
                default = json.loads(param.default_value)
                assert default is None or isinstance(default, _DEFAULTS[param.type]), f"{info.class_name}.{param.name}"


@requirement("CAT-DIS-009")
@capability("pipelines")
def test_a_listed_node_type_is_accepted_with_its_ports_and_parameters(target: Target, session: str) -> None:
    for info in _all(target):
        if not info.input_specs or any(param.required for param in info.params):
            continue  # the case does not know what to connect or to give
        params = {param.name: json.loads(param.default_value) for param in info.params}
        definition = {"nodes": [node("one", info.class_name, **params)], "connections": []}
        pipeline = PipelineConfig(config_bytes=canonical(definition))
        rpcs.LOAD_PIPELINE.ok(target, LoadPipelineRequest(session_id=session, pipeline=pipeline))
        inputs = rpcs.GET_INPUTS.ok(target, GetPipelineInputsRequest(session_id=session))
        assert set(inputs.input_names) == set(info.input_specs), info.class_name
        outputs = rpcs.GET_OUTPUTS.ok(target, GetPipelineOutputsRequest(session_id=session))
        assert {name.partition(".")[2] for name in outputs.output_names} <= set(info.output_specs), info.class_name


@requirement("CAT-DIS-009")
@capability("pipelines")
def test_a_parameter_that_is_not_listed_is_refused(target: Target, session: str) -> None:
    info = next(each for each in _all(target) if not any(param.required for param in each.params))
    definition = {"nodes": [node("one", info.class_name, no_such_parameter=1)], "connections": []}
    request = LoadPipelineRequest(session_id=session, pipeline=PipelineConfig(config_bytes=canonical(definition)))
    answer = rpcs.LOAD_PIPELINE.answer(target, request)
    assert answer.reason in {"CONFIG_INVALID", "GRAPH_INVALID"}, f"{answer}"
