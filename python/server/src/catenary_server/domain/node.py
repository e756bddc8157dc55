"""What a node type promises: ports, parameters and the role it plays, without building it."""

from __future__ import annotations

import dataclasses
import enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from catenary_server.domain.tensor import DType


class NodeCategory(enum.StrEnum):
    """The role of a node; decides in which stages it runs and whether its outputs leave the pipeline."""

    SOURCE = "SOURCE"
    SINK = "SINK"
    TRANSFORM = "TRANSFORM"
    MODEL = "MODEL"
    LOSS = "LOSS"
    METRIC = "METRIC"
    REGULARIZER = "REGULARIZER"
    VISUALIZER = "VISUALIZER"
    CONTROL = "CONTROL"

    @property
    def observes(self) -> bool:
        """True for nodes that look at values without passing them on: their inputs still leave the pipeline."""
        return self in _OBSERVERS


_OBSERVERS = frozenset(
    {NodeCategory.SINK, NodeCategory.LOSS, NodeCategory.METRIC, NodeCategory.REGULARIZER, NodeCategory.VISUALIZER}
)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class PortSpec:
    """One input or output of a node type. `shape` has -1 where an axis is free."""

    name: str
    dtype: DType
    shape: tuple[int, ...]
    optional: bool = False
    description: str = ""
    variadic: bool = False
    """Whether several connections may end in it. Only connections feed it: it is no input of the pipeline."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ParamSpec:
    """One parameter of a node type. `type` is its JSON Schema type, or `path` for a folder that the node writes to.

    `default` is JSON, and empty for a required parameter.
    """

    name: str
    type: str
    required: bool = False
    default: str = ""
    description: str = ""
    validation: str = ""

    @property
    def is_path(self) -> bool:
        """True if the value names files: the server confines it to the artifact root."""
        return self.type == "path"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class NodeSpec:
    """A node type as the front end knows it: enough to check a graph without importing torch."""

    class_name: str
    full_path: str
    category: NodeCategory
    description: str
    inputs: tuple[PortSpec, ...] = ()
    outputs: tuple[PortSpec, ...] = ()
    params: tuple[ParamSpec, ...] = ()
    tags: tuple[str, ...] = ()
    source: str = "builtin"
    plugin_name: str = ""
    statistical: bool = False
    citation: str = ""

    @property
    def replaces_input(self) -> bool:
        """False for nodes that look at their input or judge it: it keeps its worth and leaves the pipeline too."""
        return not self.category.observes and "POSTPROCESSING" not in self.tags

    def input(self, name: str) -> PortSpec | None:
        """The input port of that name, if there is one."""
        return next((port for port in self.inputs if port.name == name), None)

    def output(self, name: str) -> PortSpec | None:
        """The output port of that name, if there is one."""
        return next((port for port in self.outputs if port.name == name), None)
