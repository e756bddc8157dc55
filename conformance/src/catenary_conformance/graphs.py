"""Pipelines made from the node types that the target lists, to be refused or loaded."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import pytest

from catenary.v1.discovery_service_pb2 import ListAvailableNodesRequest
from catenary.v1.tensor_pb2 import D_TYPE_UNSPECIFIED
from catenary_conformance import rpcs

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from catenary.v1.node_pb2 import NodeInfo, PortSpec
    from catenary_conformance.target import Target
    from catenary_conformance.workload import Json


def node(name: str, class_name: str, **params: object) -> Json:
    """A node of a definition."""
    return {"name": name, "class_name": class_name, "params": params}


def connection(source: str, output: str, target: str, input_: str) -> Json:
    """A connection of a definition."""
    return {"source": f"{source}.outputs.{output}", "target": f"{target}.inputs.{input_}"}


@dataclasses.dataclass(frozen=True, slots=True)
class Link:
    """An output of one node type and an input of another."""

    source: NodeInfo
    output: PortSpec
    target: NodeInfo
    input: PortSpec

    def definition(self, *connections: Json) -> Json:
        """A pipeline of the two nodes `a` and `b`, joined by the link and further connections."""
        joined = connection("a", self.output.name, "b", self.input.name)
        return {
            "nodes": [node("a", self.source.class_name), node("b", self.target.class_name)],
            "connections": [joined, *connections],
        }


class NodeTypes:
    """The node types of the target that need no parameters."""

    def __init__(self, nodes: Sequence[NodeInfo]) -> None:
        self.all = list(nodes)
        self.simple = [each for each in nodes if not any(param.required for param in each.params)]

    @classmethod
    def of(cls, target: Target) -> NodeTypes:
        """Those that the target lists."""
        return cls(rpcs.LIST_NODES.ok(target, ListAvailableNodesRequest()).nodes)

    def loop(self) -> Link:
        """A node type of which an output fits an input of another node of that type, so that two make a cycle."""
        for link in self._links():
            if link.source.class_name == link.target.class_name and _fits(link):
                return link
        pytest.skip("no node type of the target can follow itself")

    def misfit(self) -> Link:
        """An output and an input of which the element types differ."""
        for link in self._links():
            if _differ_in_type(link) and len(_required(link.target)) == 1 and len(_required(link.source)) <= 1:
                return link
        pytest.skip("the target lists no two ports whose element types differ")

    def _links(self) -> Iterator[Link]:
        for source in self.simple:
            for output in source.output_specs.values():
                for target in self.simple:
                    for input_ in target.input_specs.values():
                        yield Link(source, output, target, input_)


def _required(info: NodeInfo) -> list[PortSpec]:
    return [each for each in info.input_specs.values() if not each.optional]


def _fits(link: Link) -> bool:
    sizes = zip(link.output.shape, link.input.shape, strict=False)
    same_rank = len(link.output.shape) == len(link.input.shape)
    return (
        link.output.dtype == link.input.dtype
        and same_rank
        and all(-1 in (one, other) or one == other for one, other in sizes)
    )


def _differ_in_type(link: Link) -> bool:
    types = {link.output.dtype, link.input.dtype}
    return len(types) > 1 and D_TYPE_UNSPECIFIED not in types
