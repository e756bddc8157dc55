from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from catenary_server.bounded_child import ChildLimits
from catenary_server.domain.drawing import DrawingFormat
from catenary_server.domain.failure import Failure, Reason
from catenary_server.drawing.drawer import ProcessDrawer

if TYPE_CHECKING:
    from collections.abc import Callable

    from catenary_server.domain.graph import Graph

BEGINNINGS = {
    DrawingFormat.PNG: b"\x89PNG",
    DrawingFormat.SVG: b"<?xml",
    DrawingFormat.DOT: b"digraph",
    DrawingFormat.MERMAID: b"%% title",
}


@pytest.mark.parametrize("drawing_format", DrawingFormat)
async def test_every_format_is_drawn(graph_of: Callable[..., Graph], drawing_format: DrawingFormat) -> None:
    drawing = await ProcessDrawer().draw(graph_of("one.c two.a"), "title", drawing_format)
    assert drawing.startswith(BEGINNINGS[drawing_format])


async def test_a_picture_that_takes_too_much_is_refused_and_another_format_named(
    graph_of: Callable[..., Graph],
) -> None:
    drawer = ProcessDrawer(ChildLimits(cpu_s=0.01, wall_s=20.0))
    graph = graph_of(*(f"n{i}.c n{i + 1}.a" for i in range(60)))
    with pytest.raises(Failure, match="dot or mermaid") as caught:
        await drawer.draw(graph, "large", DrawingFormat.PNG)
    assert caught.value.reason is Reason.CONFIG_TOO_COMPLEX
