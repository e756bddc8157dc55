from __future__ import annotations

import struct
import xml.etree.ElementTree as ET
from typing import TYPE_CHECKING

import pytest

from catenary_server.domain.drawing import DrawingFormat, DrawingRequest
from catenary_server.drawing.picture import MAX_PNG_BYTES, MAX_SIDE, draw_picture

if TYPE_CHECKING:
    from collections.abc import Callable

    from catenary_server.domain.graph import Graph

DIAMOND = ("in.c left.a", "in.c right.a", "left.c out.a", "right.c out.b", "in.a out_2.a", "out.c out_2.b")


def svg_texts(graph: Graph, title: str) -> list[str]:
    content = draw_picture(DrawingRequest(graph, title, DrawingFormat.SVG))
    root = ET.fromstring(content)  # noqa: S314 - what we drew
    return ["".join(element.itertext()) for element in root.iter("{http://www.w3.org/2000/svg}text")]


def size_of(png: bytes) -> tuple[int, int]:
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    width, height = struct.unpack(">II", png[16:24])
    return width, height


def test_an_svg_names_title_nodes_types_ports_and_categories(graph_of: Callable[..., Graph]) -> None:
    graph = graph_of(*DIAMOND)
    texts = svg_texts(graph, "My pipeline")
    assert {"My pipeline", *graph.order} <= set(texts)
    assert {graph.types[name].class_name for name in graph.order} <= set(texts)
    assert {graph.types[name].category.lower() for name in graph.order} <= set(texts)
    assert texts.count("c") == 5, "once for each output, however many edges begin there"


@pytest.mark.filterwarnings("ignore:Glyph")  # as the process that draws does
@pytest.mark.parametrize("name", ["$x^2$ & <b>", "\x07bell", "\u5149\u8b5c", "-" * 128, " "])
def test_any_name_can_be_drawn(graph_of: Callable[..., Graph], name: str) -> None:
    shown = name.replace("\x07", "\N{REPLACEMENT CHARACTER}")
    assert shown in svg_texts(graph_of(alone=(name,)), name) or not name.strip()


def test_the_same_pipeline_gives_the_same_picture(graph_of: Callable[..., Graph]) -> None:
    for drawing_format in (DrawingFormat.PNG, DrawingFormat.SVG):
        request = DrawingRequest(graph_of(*DIAMOND), "same", drawing_format)
        assert draw_picture(request) == draw_picture(request)


def test_a_png_is_as_wide_as_its_graph_is_deep(graph_of: Callable[..., Graph]) -> None:
    shallow = size_of(draw_picture(DrawingRequest(graph_of("a.c b.a"), "", DrawingFormat.PNG)))
    deep = size_of(draw_picture(DrawingRequest(graph_of("a.c b.a", "b.c c.a", "c.c d.a"), "", DrawingFormat.PNG)))
    assert deep[0] > 1.5 * shallow[0]
    assert deep[1] == pytest.approx(shallow[1], rel=0.1)


def test_a_very_large_pipeline_is_drawn_coarser(graph_of: Callable[..., Graph]) -> None:
    edges = [f"n{i}.c n{i + 1}.a" for i in range(150)] + [f"n{i}.a n{i + 5}.b" for i in range(140)]
    png = draw_picture(DrawingRequest(graph_of(*edges), "large", DrawingFormat.PNG))
    assert len(png) <= MAX_PNG_BYTES
    assert max(size_of(png)) <= MAX_SIDE
