"""A pipeline as one torch module: nodes, edges, and the execution of what is needed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from torch import Tensor, nn

from catenary_server.domain.failure import Failure, Reason
from catenary_server.engine.faults import node_faults
from catenary_server.engine.profiling import NodeProfiler
from catenary_server.nodes.node import StatisticalNode

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from catenary_server.domain.graph import Graph
    from catenary_server.domain.node import NodeCategory, PortSpec
    from catenary_server.domain.pipeline import PipelineConfig
    from catenary_server.nodes.node import Node

Batch = dict[str, Tensor]
"""Tensors by entry port: `cube` [B, H, W, C], where known `mask` [B, H, W] and `wavelengths` [B, C]."""

Collected = dict[str, Tensor]
"""What the connections of a variadic port bring, by `node.port`."""

Inputs = dict[str, Any]
"""What a node is called with, by input port: tensors, `Collected` for a variadic port."""

Values = dict[str, dict[str, Tensor]]
"""What was computed: by node, then by output port. A node that lacked a required input is not in it."""


class PipelineModule(nn.Module):
    """The nodes of a checked graph.

    Args:
        graph: names, edges and order.
        nodes: the nodes by name.
    """

    def __init__(self, graph: Graph, nodes: Mapping[str, Node[Any]]) -> None:
        super().__init__()
        self.graph = graph
        self.profiler = NodeProfiler()
        # A list, not a ModuleDict: that one forbids names such as `keys` or `type`, which a client may well give.
        self._modules_in_order = nn.ModuleList(nodes[name] for name in graph.order)
        self._places = {name: place for place, name in enumerate(graph.order)}
        self._sources: dict[tuple[str, str], list[tuple[str, str]]] = {}
        for edge in graph.edges:
            place = (edge.target_node, edge.target_port)
            self._sources.setdefault(place, []).append((edge.source_node, edge.source_port))

    def node(self, name: str) -> Node[Any]:
        """A node by name."""
        node: Node[Any] = self._modules_in_order[self._places[name]]  # type: ignore[assignment]  # of this list's own
        return node

    def nodes(self) -> Iterable[tuple[str, Node[Any]]]:
        """All nodes with their names, each after its sources."""
        return ((name, self.node(name)) for name in self.graph.order)

    def of_category(self, *categories: NodeCategory) -> tuple[str, ...]:
        """Names of the nodes in one of these roles."""
        return tuple(name for name in self.graph.order if self.graph.types[name].category in categories)

    def compute(self, entries: Batch, targets: Iterable[str]) -> Values:
        """Run the target nodes and all they need.

        Raises:
            Failure: STATE_INVALID if one of them was never fitted, and what a node raises.
        """
        values: Values = {}
        for name in self.graph.ancestors(frozenset(targets)):
            inputs = self.inputs_of(name, values, entries)
            if inputs is not None:
                values[name] = self._run(name, inputs)
        return values

    def sources_of(self, name: str) -> frozenset[str]:
        """The nodes that feed a node."""
        return frozenset(
            source for (target, _), places in self._sources.items() if target == name for source, _ in places
        )

    def inputs_of(self, name: str, values: Values, entries: Batch) -> Inputs | None:
        """The inputs of a node from what is computed and what came in; None if a required one is absent."""
        inputs: Inputs = {}
        for port in self.graph.types[name].inputs:
            value = self._value_at(name, port, values, entries)
            if value is not None:
                inputs[port.name] = value
            elif not port.optional:
                return None
        return inputs

    def _value_at(self, name: str, port: PortSpec, values: Values, entries: Batch) -> Tensor | Collected | None:
        sources = self._sources.get((name, port.name), [])
        if port.variadic:
            found = ((f"{node}.{output}", values.get(node, {}).get(output)) for node, output in sources)
            return {key: value for key, value in found if value is not None} or None
        if not sources:
            return entries.get(port.name)
        ((node, output),) = sources
        return values.get(node, {}).get(output)

    def _run(self, name: str, inputs: Inputs) -> dict[str, Tensor]:
        node, type_name = self.node(name), self.graph.types[name].class_name
        if isinstance(node, StatisticalNode) and not node.is_fitted:
            raise Failure(
                Reason.STATE_INVALID,
                f"node {name!r} ({type_name}) has no statistics yet: run the statistical phase or load weights",
            )
        with node_faults(name, type_name):
            return self._called(name, node, inputs)

    def _called(self, name: str, node: Node[Any], inputs: Batch) -> dict[str, Tensor]:
        outputs: dict[str, Tensor]
        if not self.profiler.enabled:
            outputs = node(**inputs)
        else:
            with self.profiler.measured(name):
                outputs = node(**inputs)
        return outputs


def build_module(pipeline: PipelineConfig, graph: Graph, types: Mapping[str, type[Node[Any]]]) -> PipelineModule:
    """Make the nodes of a pipeline.

    Raises:
        Failure: GRAPH_INVALID for parameters that a node does not accept, all of one node at once.
    """
    nodes = {}
    for index, config in enumerate(pipeline.nodes):
        node_type = types[config.type_name]
        params = node_type.declaration.params.read(config.params, f"nodes.{index}.params")
        with node_faults(config.name, config.type_name):
            nodes[config.name] = node_type(params)
    return PipelineModule(graph, nodes).eval()
