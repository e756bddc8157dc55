from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from catenary_server.domain.node import NodeCategory
from catenary_server.drawing.palette import TINTS
from catenary_server.drawing.text import to_dot, to_mermaid

if TYPE_CHECKING:
    from collections.abc import Callable

    from catenary_server.domain.graph import Graph

HOSTILE = 'a"]; n9["<script>`#\\\n'


def test_dot_names_nodes_types_ports_and_the_pipeline(graph_of: Callable[..., Graph]) -> None:
    text = to_dot(graph_of("one.c two.a", "one.a two.b"), "my pipeline")
    assert text.startswith('digraph "my pipeline" {\n')
    assert text.endswith("}\n")
    assert '  "one" [label="one\\nSourceType", fillcolor=' in text
    assert '  "one" -> "two" [label="c \N{RIGHTWARDS ARROW} a"];' in text


def test_mermaid_names_nodes_types_and_ports(graph_of: Callable[..., Graph]) -> None:
    lines = to_mermaid(graph_of("one.c two.a"), "my pipeline").splitlines()
    assert lines[:2] == ["%% my pipeline", "flowchart LR"]
    assert '  n0["one<br/>SourceType"]:::source' in lines
    assert '  n0 -- "c \N{RIGHTWARDS ARROW} a" --> n1' in lines
    assert [line for line in lines if line.startswith("  classDef source fill:#")]


def test_an_edge_between_ports_of_one_name_says_it_once(graph_of: Callable[..., Graph]) -> None:
    graph = graph_of("one.a two.a")
    assert '[label="a"]' in to_dot(graph, "")
    assert '-- "a" -->' in to_mermaid(graph, "")


def test_names_cannot_break_out_of_their_quotes(graph_of: Callable[..., Graph]) -> None:
    graph = graph_of(alone=(HOSTILE,))
    dot = to_dot(graph, HOSTILE)
    assert dot.count("\n") == 6
    assert '\\"]; n9[' in dot
    mermaid = to_mermaid(graph, HOSTILE).splitlines()
    assert len(mermaid) == 4
    assert '"' not in mermaid[2].removeprefix('  n0["').removesuffix('"]:::source')
    assert "<script>" not in mermaid[2]


@pytest.mark.parametrize("category", NodeCategory)
def test_every_category_has_its_colours(category: NodeCategory) -> None:
    assert all(len(colour) == 7 and colour.startswith("#") for colour in TINTS[category])
