"""Checks a pipeline against the node types of the server before anything is built, and says what it takes and gives."""

from __future__ import annotations

import dataclasses
import functools
import graphlib
from collections import Counter
from typing import TYPE_CHECKING

from catenary_server.domain.failure import Failure, Reason, Violation
from catenary_server.domain.node import NodeCategory
from catenary_server.domain.pipeline import Connection, PipelineConfig, PipelinePorts

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from catenary_server.domain.node import NodeSpec, PortSpec


@dataclasses.dataclass(frozen=True, slots=True)
class Edge:
    """A connection, taken apart."""

    source_node: str
    source_port: str
    target_node: str
    target_port: str


@dataclasses.dataclass(frozen=True)
class Graph:
    """A checked pipeline: node types by node name, edges, and an order in which each node comes after its sources."""

    types: Mapping[str, NodeSpec]
    edges: tuple[Edge, ...]
    order: tuple[str, ...]

    def ports(self) -> PipelinePorts:
        """Entry ports by name (ports of one name in several nodes are one input) and exit ports by `node.port`.

        An output leaves the pipeline unless a node takes it and passes on what it makes of it: losses, metrics and
        sinks look at it, deciders judge it, and it still leaves. What a source gives came in, and does not leave.
        An input is required if one of the entry ports behind it is.
        """
        return self._ports

    @functools.cached_property
    def _ports(self) -> PipelinePorts:
        fed = {(edge.target_node, edge.target_port) for edge in self.edges}
        inputs: dict[str, PortSpec] = {}
        for name in self.order:
            for port in self.types[name].inputs:
                known = inputs.get(port.name)
                if not port.variadic and (name, port.name) not in fed and (known is None or known.optional):
                    inputs[port.name] = port
        taken = {
            (edge.source_node, edge.source_port) for edge in self.edges if self.types[edge.target_node].replaces_input
        }
        outputs = {
            f"{name}.{port.name}": port
            for name in self.order
            if self.types[name].category is not NodeCategory.SOURCE and not self.types[name].category.observes
            for port in self.types[name].outputs
            if (name, port.name) not in taken
        }
        return PipelinePorts(inputs=inputs, outputs=outputs)

    def ancestors(self, targets: frozenset[str]) -> tuple[str, ...]:
        """The targets and every node they need, in an order that computes each after its sources."""
        sources: dict[str, set[str]] = {}
        for edge in self.edges:
            sources.setdefault(edge.target_node, set()).add(edge.source_node)
        needed, open_nodes = set(targets), list(targets)
        while open_nodes:
            fresh = sources.get(open_nodes.pop(), set()) - needed
            needed |= fresh
            open_nodes.extend(fresh)
        return tuple(name for name in self.order if name in needed)


def check_graph(pipeline: PipelineConfig, types: Mapping[str, NodeSpec]) -> Graph:
    """Check names, node types, parameters, ports, element types, shapes, missing inputs and cycles.

    Args:
        pipeline: the graph as the client wrote it.
        types: node types of the server by class name.

    Raises:
        Failure: NODE_TYPE_UNKNOWN or GRAPH_INVALID, with one violation for each fault found.
    """
    unknown = tuple(
        Violation(f"nodes.{index}.class_name", f"no node type {node.class_name!r}; ListAvailableNodes has the names")
        for index, node in enumerate(pipeline.nodes)
        if node.type_name not in types
    )
    if unknown:
        raise Failure(Reason.NODE_TYPE_UNKNOWN, unknown[0].description, violations=unknown)
    node_types = {node.name: types[node.type_name] for node in pipeline.nodes}
    edges, faults = _edges(pipeline, node_types)
    faults = [*_name_faults(pipeline), *_param_faults(pipeline, types), *faults, *_missing_inputs(edges, node_types)]
    order = _order(pipeline, edges, faults)
    if faults:
        raise Failure(
            Reason.GRAPH_INVALID,
            f"the pipeline is not a valid graph: {faults[0].description}",
            violations=tuple(faults),
        )
    return Graph(node_types, edges, order)


def _name_faults(pipeline: PipelineConfig) -> Iterator[Violation]:
    seen = Counter(node.name for node in pipeline.nodes)
    for index, node in enumerate(pipeline.nodes):
        if seen[node.name] > 1:
            yield Violation(f"nodes.{index}.name", f"node name {node.name!r} is used {seen[node.name]} times")
        if node.name.isdigit() or "." in node.name:
            yield Violation(f"nodes.{index}.name", f"node name {node.name!r} must not be a number or hold a dot")


def _param_faults(pipeline: PipelineConfig, types: Mapping[str, NodeSpec]) -> Iterator[Violation]:
    for index, node in enumerate(pipeline.nodes):
        specs = {param.name: param for param in types[node.type_name].params}
        for name in node.params:
            if name not in specs:
                known = ", ".join(sorted(specs)) or "none"
                yield Violation(
                    f"nodes.{index}.params.{name}", f"{node.type_name} has no parameter {name!r}; it has: {known}"
                )
        for name, param in specs.items():
            if param.required and name not in node.params:
                yield Violation(f"nodes.{index}.params.{name}", f"{node.type_name} needs parameter {name!r}")


def _edges(pipeline: PipelineConfig, types: Mapping[str, NodeSpec]) -> tuple[tuple[Edge, ...], list[Violation]]:
    edges: list[Edge] = []
    faults: list[Violation] = []
    for index, connection in enumerate(pipeline.connections):
        edge = _edge(connection)
        where = f"connections.{index}"
        if edge is None:
            faults.append(Violation(where, "a connection joins `node.outputs.port` to `node.inputs.port`"))
            continue
        fault = _edge_fault(edge, types)
        if fault is not None:
            faults.append(Violation(where, fault))
        elif _is_taken(edge, edges, types):
            faults.append(Violation(where, f"{connection.target} is fed twice"))
        else:
            edges.append(edge)
    return tuple(edges), faults


def _is_taken(edge: Edge, edges: list[Edge], types: Mapping[str, NodeSpec]) -> bool:
    port = types[edge.target_node].input(edge.target_port)
    single = port is not None and not port.variadic
    return single and any((e.target_node, e.target_port) == (edge.target_node, edge.target_port) for e in edges)


def _edge(connection: Connection) -> Edge | None:
    source, target = connection.source.split("."), connection.target.split(".")
    if len(source) != 3 or len(target) != 3 or source[1] != "outputs" or target[1] != "inputs":  # noqa: PLR2004
        return None
    return Edge(source[0], source[2], target[0], target[2])


def _edge_fault(edge: Edge, types: Mapping[str, NodeSpec]) -> str | None:
    for name in (edge.source_node, edge.target_node):
        if name not in types:
            return f"there is no node {name!r}"
    source = types[edge.source_node].output(edge.source_port)
    target = types[edge.target_node].input(edge.target_port)
    if source is None:
        return f"node {edge.source_node!r} has no output {edge.source_port!r}"
    if target is None:
        return f"node {edge.target_node!r} has no input {edge.target_port!r}"
    if source.dtype is not target.dtype:
        return f"{edge.source_port!r} is {source.dtype}, {edge.target_port!r} takes {target.dtype}"
    if len(source.shape) != len(target.shape) or any(
        -1 not in (have, want) and have != want for have, want in zip(source.shape, target.shape, strict=True)
    ):
        return f"{edge.source_port!r} has shape {list(source.shape)}, {edge.target_port!r} takes {list(target.shape)}"
    return None


def _missing_inputs(edges: tuple[Edge, ...], types: Mapping[str, NodeSpec]) -> Iterator[Violation]:
    """Two nodes may share an entry port by its name, but only if both would take the same tensor."""
    fed = {(edge.target_node, edge.target_port) for edge in edges}
    entries: dict[str, PortSpec] = {}
    for name, spec in types.items():
        for port in spec.inputs:
            if port.variadic or (name, port.name) in fed:
                continue
            known = entries.setdefault(port.name, port)
            if known.dtype is not port.dtype or len(known.shape) != len(port.shape):
                yield Violation(
                    f"{name}.inputs.{port.name}",
                    f"input {port.name!r} is not connected and means different tensors in different nodes",
                )


def _order(pipeline: PipelineConfig, edges: tuple[Edge, ...], faults: list[Violation]) -> tuple[str, ...]:
    sorter: graphlib.TopologicalSorter[str] = graphlib.TopologicalSorter({node.name: () for node in pipeline.nodes})
    for edge in edges:
        sorter.add(edge.target_node, edge.source_node)
    try:
        return tuple(sorter.static_order())
    except graphlib.CycleError as error:
        faults.append(Violation("connections", f"the nodes {' -> '.join(error.args[1])} form a cycle"))
        return ()
