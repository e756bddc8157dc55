"""A pipeline is checked whole: every fault is found before anything is built."""

from __future__ import annotations

import pytest

from catenary_server.domain.failure import Failure, Reason
from catenary_server.domain.graph import Graph, check_graph
from catenary_server.domain.node import NodeCategory, NodeSpec, ParamSpec, PortSpec
from catenary_server.domain.pipeline import Connection, NodeConfig, PipelineConfig
from catenary_server.domain.tensor import DType

CUBE = (-1, -1, -1, -1)
SCORES = (-1, -1, -1, 1)


def port(name: str, shape: tuple[int, ...] = CUBE, dtype: DType = DType.FLOAT32, *, optional: bool = False) -> PortSpec:
    return PortSpec(name=name, dtype=dtype, shape=shape, optional=optional)


def spec(
    name: str,
    inputs: tuple[PortSpec, ...] = (),
    outputs: tuple[PortSpec, ...] = (),
    category: NodeCategory = NodeCategory.TRANSFORM,
    *,
    params: tuple[ParamSpec, ...] = (),
    tags: tuple[str, ...] = (),
) -> NodeSpec:
    return NodeSpec(
        class_name=name,
        full_path=f"nodes.{name}",
        category=category,
        description=name,
        inputs=inputs,
        outputs=outputs,
        params=params,
        tags=tags,
    )


TYPES = {
    node.class_name: node
    for node in (
        spec(
            "Scale", (port("cube"),), (port("cube"),), params=(ParamSpec(name="factor", type="number", required=True),)
        ),
        spec("Detector", (port("cube"),), (port("scores", SCORES),), NodeCategory.MODEL),
        spec("Decider", (port("scores", SCORES),), (port("hits", SCORES, DType.BOOL),), tags=("POSTPROCESSING",)),
        spec("Mean", (port("scores", SCORES), port("mask", (-1, -1, -1), DType.INT32)), (), NodeCategory.METRIC),
        spec("Peek", (port("mask", (-1, -1, -1), DType.INT32, optional=True),), (port("seen", (1,)),)),
        spec("Confused", (port("mask", SCORES),), ()),
    )
}


def pipeline(nodes: dict[str, str], *connections: str, **params: object) -> PipelineConfig:
    """`{"a": "Scale"}` and "a.cube > b.cube"."""
    return PipelineConfig(
        nodes=tuple(
            NodeConfig(name=name, class_name=kind, params={"factor": 2} if kind.endswith("Scale") else {})
            for name, kind in nodes.items()
        ),
        connections=tuple(_connection(text) for text in connections),
    )


def _connection(text: str) -> Connection:
    source, target = (part.strip().split(".") for part in text.split(">"))
    return Connection(source=f"{source[0]}.outputs.{source[1]}", target=f"{target[0]}.inputs.{target[1]}")


def faults(config: PipelineConfig) -> dict[str, str]:
    with pytest.raises(Failure) as raised:
        check_graph(config, TYPES)
    assert raised.value.reason is Reason.GRAPH_INVALID
    return {violation.subject: violation.description for violation in raised.value.violations}


def good() -> Graph:
    return check_graph(
        pipeline(
            {"auc": "Mean", "rx": "Detector", "scale": "vendor.nodes.Scale"},
            "scale.cube > rx.cube",
            "rx.scores > auc.scores",
        ),
        TYPES,
    )


def test_nodes_are_ordered_behind_their_sources() -> None:
    assert good().order == ("scale", "rx", "auc")


def test_inputs_are_what_nothing_feeds_and_outputs_what_only_observers_take() -> None:
    ports = good().ports()
    assert set(ports.inputs) == {"cube", "mask"}
    assert set(ports.outputs) == {"rx.scores"}


def test_scores_leave_the_pipeline_also_when_a_decider_judges_them() -> None:
    nodes = {"scale": "Scale", "rx": "Detector", "decider": "Decider"}
    graph = check_graph(pipeline(nodes, "scale.cube > rx.cube", "rx.scores > decider.scores"), TYPES)
    assert set(graph.ports().outputs) == {"rx.scores", "decider.hits"}


def test_an_input_is_required_if_one_node_requires_it() -> None:
    nodes = {"peek": "Peek", "rx": "Detector", "auc": "Mean"}
    ports = check_graph(pipeline(nodes, "rx.scores > auc.scores"), TYPES).ports()
    assert not ports.inputs["mask"].optional


def test_only_what_a_target_needs_is_computed() -> None:
    assert good().ancestors(frozenset({"rx"})) == ("scale", "rx")


def test_an_unknown_node_type_is_named() -> None:
    with pytest.raises(Failure) as raised:
        check_graph(pipeline({"a": "Nonsense"}), TYPES)
    assert raised.value.reason is Reason.NODE_TYPE_UNKNOWN
    assert raised.value.violations[0].subject == "nodes.0.class_name"


def test_every_fault_is_reported_at_once() -> None:
    config = PipelineConfig(
        nodes=(
            NodeConfig(name="a", class_name="Scale", params={"wrong": 1}),
            NodeConfig(name="a", class_name="Detector"),
            NodeConfig(name="7", class_name="Detector"),
        ),
        connections=(Connection(source="a.cube", target="7.inputs.cube"),),
    )
    assert set(faults(config)) == {
        "nodes.0.name",
        "nodes.1.name",
        "nodes.2.name",
        "nodes.0.params.wrong",
        "nodes.0.params.factor",
        "connections.0",
    }


@pytest.mark.parametrize(
    ("connection", "fault"),
    [
        ("ghost.cube > rx.cube", "no node 'ghost'"),
        ("scale.ghost > rx.cube", "no output 'ghost'"),
        ("scale.cube > rx.ghost", "no input 'ghost'"),
        ("scale.cube > auc.mask", "takes int32"),
        ("peek.seen > auc.scores", "has shape [1]"),
    ],
)
def test_a_connection_must_fit(connection: str, fault: str) -> None:
    nodes = {"scale": "Scale", "rx": "Detector", "auc": "Mean", "peek": "Peek"}
    assert fault in faults(pipeline(nodes, connection))["connections.0"]


def test_an_input_is_fed_once() -> None:
    config = pipeline({"a": "Scale", "b": "Scale", "rx": "Detector"}, "a.cube > rx.cube", "b.cube > rx.cube")
    assert "fed twice" in faults(config)["connections.1"]


def test_a_cycle_is_refused() -> None:
    assert (
        "cycle" in faults(pipeline({"a": "Scale", "b": "Scale"}, "a.cube > b.cube", "b.cube > a.cube"))["connections"]
    )


def test_one_open_input_name_must_mean_one_tensor() -> None:
    config = pipeline({"auc": "Mean", "odd": "Confused"})
    assert "different tensors" in faults(config)["odd.inputs.mask"]


MONITOR = NodeSpec(
    class_name="Monitor",
    full_path="nodes.Monitor",
    category=NodeCategory.SINK,
    description="Monitor",
    inputs=(PortSpec(name="maps", dtype=DType.FLOAT32, shape=CUBE, optional=True, variadic=True),),
)


def test_a_variadic_port_takes_several_connections_and_no_input_of_the_pipeline() -> None:
    nodes = {"a": "Scale", "b": "Detector", "m": "Monitor"}
    config = pipeline(nodes, "a.cube > b.cube", "a.cube > m.maps", "b.scores > m.maps")
    graph = check_graph(config, TYPES | {"Monitor": MONITOR})
    assert graph.order[-1] == "m"
    assert set(graph.ports().inputs) == {"cube"}
    assert set(graph.ports().outputs) == {"b.scores"}
    alone = check_graph(pipeline({"m": "Monitor"}), {"Monitor": MONITOR})
    assert alone.ports().inputs == {}


def test_every_connection_of_a_variadic_port_must_fit() -> None:
    config = pipeline({"d": "Decider", "m": "Monitor"}, "d.hits > m.maps")
    with pytest.raises(Failure) as caught:
        check_graph(config, TYPES | {"Monitor": MONITOR})
    assert caught.value.reason is Reason.GRAPH_INVALID
