import pytest

from catenary.v1.node_pb2 import NodeInfo, ParamSpec, PortSpec
from catenary.v1.tensor_pb2 import D_TYPE_BOOL, D_TYPE_FLOAT32
from catenary_conformance.graphs import NodeTypes, connection


def port(name: str, dtype: int = D_TYPE_FLOAT32) -> PortSpec:
    return PortSpec(name=name, dtype=dtype, shape=[-1, 3])  # type: ignore[arg-type]  # of the enum


SCORES = NodeInfo(class_name="Scores", input_specs={"data": port("data")}, output_specs={"scores": port("scores")})
DECIDER = NodeInfo(class_name="Decider", input_specs={"mask": port("mask", D_TYPE_BOOL)})
PICKY = NodeInfo(class_name="Picky", params=[ParamSpec(name="x", required=True)], output_specs={"y": port("y")})


def test_a_node_type_that_fits_itself_makes_a_loop() -> None:
    link = NodeTypes([DECIDER, SCORES]).loop()
    assert (link.source.class_name, link.output.name, link.input.name) == ("Scores", "scores", "data")
    back = connection("b", "scores", "a", "data")
    assert link.definition(back)["connections"] == [
        {"source": "a.outputs.scores", "target": "b.inputs.data"},
        {"source": "b.outputs.scores", "target": "a.inputs.data"},
    ]


def test_ports_of_different_types_are_found() -> None:
    link = NodeTypes([SCORES, DECIDER]).misfit()
    assert (link.source.class_name, link.target.class_name) == ("Scores", "Decider")


def test_without_such_node_types_the_case_is_skipped() -> None:
    for wanted in (NodeTypes([PICKY]).loop, NodeTypes([SCORES]).misfit):
        with pytest.raises(pytest.skip.Exception):
            wanted()
