"""A pipeline as a client writes it: a graph of named nodes, joined port to port."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping  # noqa: TC003 - the configuration layer reads the annotations
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from annotated_types import Len

STRICT: dict[str, Any] = {"extra": "forbid", "use_attribute_docstrings": True, "frozen": True}
"""How the configuration layer reads these dataclasses: an unknown key is an error, docstrings describe the keys."""

if TYPE_CHECKING:
    from catenary_server.domain.node import PortSpec

Name = Annotated[str, Len(1, 128)]


@dataclasses.dataclass(frozen=True, kw_only=True)
class PipelineMetadata:
    """Who made a pipeline, when, and what it is for."""

    __pydantic_config__: ClassVar[dict[str, Any]] = STRICT

    name: str = ""
    """Short name, shown in lists."""
    description: str = ""
    """What the pipeline computes, in a sentence."""
    created: str = ""
    """When it was made, ISO 8601."""
    cuvis_ai_version: str = ""
    """Version of the software that wrote the file, where it says so."""
    tags: tuple[str, ...] = ()
    """Words to filter lists by."""
    author: str = ""
    """Who made it."""
    catenary_version: str = ""
    """Version of the Catenary server that wrote the file."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class NodeConfig:
    """One node of the graph."""

    __pydantic_config__: ClassVar[dict[str, Any]] = STRICT

    name: Annotated[str, Len(1, 128)]
    """Unique in the pipeline and not a number, so that overrides can address it by name."""
    class_name: Annotated[str, Len(1, 256)]
    """Node type as the server lists it; a dotted path is matched by its last part."""
    params: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    """Parameters of the node type."""

    @property
    def type_name(self) -> str:
        """The node type without the package that older files put in front of it."""
        return self.class_name.rpartition(".")[2]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Connection:
    """An output port feeding an input port."""

    __pydantic_config__: ClassVar[dict[str, Any]] = STRICT

    source: Annotated[str, Len(1, 300)]
    """`node.outputs.port`"""
    target: Annotated[str, Len(1, 300)]
    """`node.inputs.port`"""


@dataclasses.dataclass(frozen=True, kw_only=True)
class PipelineConfig:
    """A graph of nodes."""

    __pydantic_config__: ClassVar[dict[str, Any]] = STRICT

    metadata: PipelineMetadata = dataclasses.field(default_factory=PipelineMetadata)
    """Who made it, when, and what it is for."""
    nodes: Annotated[tuple[NodeConfig, ...], Len(1, 512)]
    """The nodes; their order has no meaning except for overrides by index."""
    connections: Annotated[tuple[Connection, ...], Len(0, 4096)] = ()
    """The edges."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class PipelineFile:
    """A pipeline kept in a file: of the operator, or saved by a client."""

    path: str
    """What a later request may name it by."""
    resolved_path: str
    """The file that was found, below its root."""
    weights_path: str
    """The weights beside it; empty without any."""
    metadata: PipelineMetadata
    content: str
    """Text of the file, as it is stored."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class PipelinePorts:
    """What goes into a pipeline and what comes out: inputs by name, outputs by `node.port`."""

    inputs: Mapping[str, PortSpec]
    outputs: Mapping[str, PortSpec]
