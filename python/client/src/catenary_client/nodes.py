"""Node types: what pipelines can be made of."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from catenary.v1 import node_pb2, node_tag_pb2, tensor_pb2
from catenary.v1.discovery_service_pb2 import ListAvailableNodesRequest
from catenary.v1.discovery_service_pb2_grpc import DiscoveryServiceStub
from catenary_wire import names

if TYPE_CHECKING:
    import grpc

    from catenary_client.calls import Caller


@dataclasses.dataclass(frozen=True, slots=True)
class NodePort:
    """A port of a node type."""

    name: str
    shape: tuple[int, ...]
    """Size of each dimension; -1 is free."""
    dtype: str
    """Element type by its numpy name."""
    optional: bool
    """Whether a pipeline may leave it unconnected."""
    variadic: bool
    """Whether several connections may end in it."""
    description: str

    @staticmethod
    def of(spec: node_pb2.PortSpec) -> NodePort:
        """From the specification that the server gave."""
        dtype = names.short_name(tensor_pb2.DType, spec.dtype).lower()
        return NodePort(spec.name, tuple(spec.shape), dtype, spec.optional, spec.variadic, spec.description)

    def __str__(self) -> str:
        """As `data: float32 [-1, -1, -1, -1]`."""
        return f"{self.name}: {self.dtype} {list(self.shape)}"


@dataclasses.dataclass(frozen=True, slots=True)
class NodeParameter:
    """A parameter of a node type."""

    name: str
    type: str
    """As JSON Schema names it."""
    required: bool
    default: str
    """As JSON; empty when it is required."""
    description: str
    validation: str
    """The values it may have, for people; empty when all of its type are good."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class NodeType:
    """A type of node."""

    class_name: str
    """What a pipeline's `class_name` states."""
    category: str
    """Its role: SOURCE, TRANSFORM, MODEL, LOSS, METRIC and so on."""
    plugin: str
    """The plugin that brings it; empty for a built-in one."""
    description: str
    citation: str
    """The paper it follows; empty when there is none."""
    inputs: tuple[NodePort, ...]
    outputs: tuple[NodePort, ...]
    params: tuple[NodeParameter, ...]
    tags: tuple[str, ...]

    @staticmethod
    def of(node: node_pb2.NodeInfo) -> NodeType:
        """From the description that the server gave."""
        return NodeType(
            class_name=node.class_name,
            category=names.short_name(node_pb2.NodeCategory, node.category),
            plugin=node.plugin_name,
            description=node.description,
            citation=node.citation,
            inputs=tuple(NodePort.of(spec) for _, spec in sorted(node.input_specs.items())),
            outputs=tuple(NodePort.of(spec) for _, spec in sorted(node.output_specs.items())),
            params=tuple(
                NodeParameter(
                    each.name, each.type, each.required, each.default_value, each.description, each.validation
                )
                for each in node.params
            ),
            tags=tuple(names.short_name(node_tag_pb2.NodeTag, tag) for tag in node.tags),
        )


async def list_nodes(channel: grpc.aio.Channel, caller: Caller, session_id: str) -> list[NodeType]:
    """Every node type, sorted by class name; with a session, those of its plugins too."""
    found: list[NodeType] = []
    token = ""
    while True:
        page = await caller.unary(
            DiscoveryServiceStub(channel).ListAvailableNodes,
            ListAvailableNodesRequest(session_id=session_id, page_token=token),
        )
        found += map(NodeType.of, page.nodes)
        token = page.next_page_token
        if not token:
            return found
