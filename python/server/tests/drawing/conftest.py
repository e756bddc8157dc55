"""Pipelines of every shape."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from catenary_server.domain.graph import Graph, check_graph
from catenary_server.domain.node import NodeCategory, NodeSpec, PortSpec
from catenary_server.domain.pipeline import Connection, NodeConfig, PipelineConfig
from catenary_server.domain.tensor import DType

if TYPE_CHECKING:
    from collections.abc import Callable


def _port(name: str) -> PortSpec:
    return PortSpec(name=name, dtype=DType.FLOAT32, shape=(), optional=True)


SPECS = {
    f"{category.title()}Type": NodeSpec(
        class_name=f"{category.title()}Type",
        full_path="",
        category=category,
        description="",
        inputs=(_port("a"), _port("b")),
        outputs=(_port("a"), _port("c")),
    )
    for category in NodeCategory
}


@pytest.fixture
def graph_of() -> Callable[..., Graph]:
    """A checked graph of edges like `one.c two.a`; every category occurs in turn."""

    def build(*edges: str, alone: tuple[str, ...] = ()) -> Graph:
        ends = [edge.split(" ") for edge in edges]
        names = dict.fromkeys([*(end.rpartition(".")[0] for pair in ends for end in pair), *alone])
        types = list(SPECS)
        config = PipelineConfig(
            nodes=tuple(
                NodeConfig(name=name, class_name=types[number % len(types)]) for number, name in enumerate(names)
            ),
            connections=tuple(
                Connection(source=source.replace(".", ".outputs."), target=target.replace(".", ".inputs."))
                for source, target in ends
            ),
        )
        return check_graph(config, SPECS)

    return build
