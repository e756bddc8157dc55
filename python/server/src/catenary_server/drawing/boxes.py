"""Boxes that stand for nodes: what is written in them, and how large that makes them."""

from __future__ import annotations

import dataclasses
import functools
from typing import TYPE_CHECKING

from matplotlib.font_manager import FontProperties
from matplotlib.textpath import TextPath

from catenary_server.drawing.text import printable

if TYPE_CHECKING:
    from catenary_server.domain.graph import Graph
    from catenary_server.domain.node import NodeCategory

# All lengths are inches, all font sizes points.
HEADER = 0.46
ROW = 0.2
PADDING = 0.09
NAME_SIZE, TYPE_SIZE, PORT_SIZE = 9.5, 7.5, 7.5
POINTS_PER_INCH = 72


@functools.cache
def text_width(text: str, size: float, *, bold: bool = False) -> float:
    """How wide a text is."""
    if not text.strip():
        return 0.0
    font = FontProperties(weight="bold" if bold else "normal")
    return float(TextPath((0, 0), text, size=size, prop=font).get_extents().x1) / POINTS_PER_INCH


@dataclasses.dataclass(frozen=True, slots=True)
class Box:
    """A node: its size, and its connected or required ports from top to bottom."""

    name: str
    type_name: str
    category: NodeCategory
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]

    @property
    def height(self) -> float:
        """Header, ports and the space around them."""
        rows = max(len(self.inputs), len(self.outputs))
        return HEADER + (rows * ROW + PADDING if rows else 0.0)

    @property
    def width(self) -> float:
        """As its texts need it."""
        rows = max(len(self.inputs), len(self.outputs))
        inputs, outputs = (_column(ports, rows) for ports in (self.inputs, self.outputs))
        ports = max((left + right for left, right in zip(inputs, outputs, strict=True)), default=0.0)
        names = max(text_width(self.name, NAME_SIZE, bold=True), text_width(self.type_name, TYPE_SIZE))
        return max(names, ports + 0.3, 0.9) + 2 * PADDING

    def port_offset(self, index: int) -> float:
        """Height of a port below the top of the box."""
        return HEADER + (index + 0.5) * ROW


def _column(ports: tuple[str, ...], rows: int) -> tuple[float, ...]:
    return tuple(text_width(port, PORT_SIZE) for port in ports) + (0.0,) * (rows - len(ports))


def box_of(graph: Graph, name: str) -> Box:
    """The box of a node; optional inputs that nothing feeds and outputs that nothing takes are left out."""
    spec = graph.types[name]
    given = {edge.source_port for edge in graph.edges if edge.source_node == name}
    taken = {edge.target_port for edge in graph.edges if edge.target_node == name}
    return Box(
        name=printable(name),
        type_name=printable(spec.class_name),
        category=spec.category,
        inputs=tuple(printable(port.name) for port in spec.inputs if port.name in taken or not port.optional),
        outputs=tuple(printable(port.name) for port in spec.outputs if port.name in given or not given),
    )
