"""What is no graph of known nodes with fitting ports is refused before anything is built."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from catenary.v1.pipeline_requests_pb2 import GetPipelineInputsRequest
from catenary_conformance import rpcs
from catenary_conformance.graphs import NodeTypes, connection, node
from catenary_conformance.requirement import capability, requirement

if TYPE_CHECKING:
    from catenary_conformance.cases.pipelines.conftest import Pipelines
    from catenary_conformance.target import Target
    from catenary_conformance.workload import Json, Workload


@pytest.fixture(scope="module")
def node_types(target: Target) -> NodeTypes:
    return NodeTypes.of(target)


def _refused(target: Target, pipelines: Pipelines, session: str, definition: Json, reason: str) -> None:
    rpcs.LOAD_PIPELINE.refused(target, pipelines.load_request(session, definition), reason=reason)
    rpcs.GET_INPUTS.refused(target, GetPipelineInputsRequest(session_id=session), reason="STATE_INVALID")


@requirement("CAT-PIP-001")
@capability("discovery")
def test_a_cycle_is_refused(target: Target, pipelines: Pipelines, session: str, node_types: NodeTypes) -> None:
    loop = node_types.loop()
    back = connection("b", loop.output.name, "a", loop.input.name)
    _refused(target, pipelines, session, loop.definition(back), "GRAPH_INVALID")


@requirement("CAT-PIP-001")
@capability("discovery")
def test_a_node_that_feeds_itself_is_refused(
    target: Target, pipelines: Pipelines, session: str, node_types: NodeTypes
) -> None:
    loop = node_types.loop()
    definition = {
        "nodes": [node("a", loop.source.class_name)],
        "connections": [connection("a", loop.output.name, "a", loop.input.name)],
    }
    _refused(target, pipelines, session, definition, "GRAPH_INVALID")


@requirement("CAT-PIP-001")
@capability("discovery")
def test_ports_of_different_types_are_refused(
    target: Target, pipelines: Pipelines, session: str, node_types: NodeTypes
) -> None:
    _refused(target, pipelines, session, node_types.misfit().definition(), "GRAPH_INVALID")


@requirement("CAT-PIP-001")
@capability("discovery")
@pytest.mark.parametrize("end", ["source", "target"])
def test_a_port_or_node_that_is_not_there_is_refused(
    target: Target, pipelines: Pipelines, session: str, node_types: NodeTypes, end: str
) -> None:
    loop = node_types.loop()
    wrong = {
        "source": {"source": "a.outputs.no_such_port", "target": f"b.inputs.{loop.input.name}"},
        "target": {"source": f"a.outputs.{loop.output.name}", "target": "nobody.inputs.data"},
    }
    definition = loop.definition()
    definition["connections"] = [wrong[end]]
    _refused(target, pipelines, session, definition, "GRAPH_INVALID")


@requirement("CAT-PIP-003")
def test_an_unknown_node_class_is_refused(target: Target, pipelines: Pipelines, session: str) -> None:
    definition = {"nodes": [node("a", target.unique("NoSuchNode"))]}
    _refused(target, pipelines, session, definition, "NODE_TYPE_UNKNOWN")


@requirement("CAT-PIP-002")
@capability("training", "inference")
def test_a_load_that_is_refused_leaves_pipeline_and_weights_in_place(
    target: Target, pipelines: Pipelines, workload: Workload
) -> None:
    session_id = workload.trained()
    inputs = workload.inputs(session_id)
    before = pipelines.outputs(session_id, inputs)
    unknown = {"nodes": [node("a", target.unique("NoSuchNode"))]}
    empty: Json = {"nodes": []}
    for definition in (unknown, empty):
        answer = rpcs.LOAD_PIPELINE.answer(target, pipelines.load_request(session_id, definition))
        assert not answer.ok, "what cannot be loaded was taken"
        assert pipelines.outputs(session_id, inputs) == before


def _nested(levels: int) -> list[object]:
    return [_nested(levels - 1)] if levels else []


_FORBIDDEN: dict[str, Json] = {
    "CONFIG_TARGET_FORBIDDEN": {"_target_": "os.system"},
    "CONFIG_RESOLVER_FORBIDDEN": {"x": "${oc.env:HOME}"},
    "CONFIG_TOO_COMPLEX": {"x": _nested(200)},
}


@requirement("CAT-PIP-001")
@pytest.mark.parametrize("reason", _FORBIDDEN)
def test_a_definition_is_held_to_what_is_forbidden_in_configurations(
    target: Target, pipelines: Pipelines, session: str, workload: Workload, reason: str
) -> None:
    definition = {"nodes": [{**workload.pipeline["nodes"][0], "params": _FORBIDDEN[reason]}]}
    _refused(target, pipelines, session, definition, reason)
