"""Drawings of pipelines."""

from __future__ import annotations

import dataclasses
import enum
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from catenary_server.domain.graph import Graph


class DrawingFormat(enum.StrEnum):
    """What a drawing is made of: two kinds of pictures, two languages that other programs draw from."""

    PNG = "png"
    SVG = "svg"
    DOT = "dot"
    MERMAID = "mermaid"


@dataclasses.dataclass(frozen=True, slots=True)
class DrawingRequest:
    """What is to be drawn."""

    graph: Graph
    title: str
    drawing_format: DrawingFormat


class GraphDrawer(Protocol):
    """Draws checked pipelines."""

    async def draw(self, graph: Graph, title: str, drawing_format: DrawingFormat) -> bytes:
        """The drawing; UTF-8 text unless it is a png. Every node is named in it, every edge with its ports.

        Raises:
            Failure: CONFIG_TOO_COMPLEX for a pipeline too large for a picture.
        """
        ...
