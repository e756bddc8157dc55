"""Pipelines in the languages of two drawing programs: DOT (Graphviz) and Mermaid."""

from __future__ import annotations

from typing import TYPE_CHECKING

from catenary_server.drawing.palette import TINTS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from catenary_server.domain.graph import Edge, Graph
    from catenary_server.domain.node import NodeCategory


def to_dot(graph: Graph, title: str) -> str:
    """The pipeline in DOT, from left to right."""
    lines = [
        f"digraph {_dot(title or 'pipeline')} {{",
        "  rankdir=LR;",
        '  node [shape=box, style="rounded,filled", fontname="Helvetica"];',
        '  edge [fontname="Helvetica", fontsize=10];',
    ]
    for name in graph.order:
        spec = graph.types[name]
        tint = TINTS[spec.category]
        label = f'"{_dot(name)[1:-1]}\\n{_dot(spec.class_name)[1:-1]}"'
        lines.append(f'  {_dot(name)} [label={label}, fillcolor="{tint.fill}", fontcolor="{tint.ink}"];')
    lines += [_dot_edge(edge) for edge in graph.edges]
    return "\n".join([*lines, "}", ""])


def to_mermaid(graph: Graph, title: str) -> str:
    """The pipeline as a Mermaid flowchart, from left to right."""
    numbers = {name: f"n{number}" for number, name in enumerate(graph.order)}
    lines = [f"%% {printable(title)}", "flowchart LR"] if title else ["flowchart LR"]
    for name in graph.order:
        spec = graph.types[name]
        label = f"{_mermaid(name)}<br/>{_mermaid(spec.class_name)}"
        lines.append(f'  {numbers[name]}["{label}"]:::{spec.category.lower()}')
    for edge in graph.edges:
        source, target = numbers[edge.source_node], numbers[edge.target_node]
        lines.append(f'  {source} -- "{_mermaid(edge_label(edge))}" --> {target}')
    for category in categories(graph):
        fill, ink = TINTS[category]
        lines.append(f"  classDef {category.lower()} fill:{fill},stroke:{ink},color:{ink}")
    return "\n".join([*lines, ""])


def edge_label(edge: Edge) -> str:
    """The ports that an edge joins; one name if both have the same."""
    if edge.source_port == edge.target_port:
        return edge.source_port
    return f"{edge.source_port} \N{RIGHTWARDS ARROW} {edge.target_port}"


def categories(graph: Graph) -> tuple[NodeCategory, ...]:
    """The roles that occur, in the order of the palette."""
    present = {spec.category for spec in graph.types.values()}
    return tuple(category for category in TINTS if category in present)


def printable(text: str) -> str:
    """The text on one line, with a mark in the place of what no document may hold."""
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)


def _dot_edge(edge: Edge) -> str:
    return f"  {_dot(edge.source_node)} -> {_dot(edge.target_node)} [label={_dot(edge_label(edge))}];"


def _dot(text: str) -> str:
    return '"' + printable(text).replace("\\", "\\\\").replace('"', '\\"') + '"'


def _mermaid(text: str) -> str:
    return _replaced(printable(text), (("#", "#35;"), ('"', "#quot;"), ("<", "#lt;"), (">", "#gt;"), ("`", "#96;")))


def _replaced(text: str, pairs: Iterable[tuple[str, str]]) -> str:
    for old, new in pairs:
        text = text.replace(old, new)
    return text
