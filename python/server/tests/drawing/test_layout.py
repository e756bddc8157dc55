from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import pytest

from catenary_server.drawing.layout import Layout, Waypoint, lay_out

if TYPE_CHECKING:
    from collections.abc import Callable

    from catenary_server.domain.graph import Graph

DIAMOND = ("in.c left.a", "in.c right.a", "left.c out.a", "right.c out.b")
SKIPPING = ("in.c mid.a", "mid.c late.a", "late.c out.a", "in.a out.b")


def laid_out(graph: Graph, height: float = 1.0, gap: float = 0.5) -> Layout:
    return lay_out(graph, dict.fromkeys(graph.order, height), gap)


def test_every_node_stands_right_of_its_sources(graph_of: Callable[..., Graph]) -> None:
    graph = graph_of(*DIAMOND, "in.c mid.a", "mid.c late.a", "late.c end.a", "out.c end.b")
    layout = laid_out(graph)
    column = {item: number for number, layer in enumerate(layout.layers) for item in layer}
    assert all(column[edge.source_node] < column[edge.target_node] for edge in graph.edges)
    assert {item for item in column if isinstance(item, str)} == set(graph.order)


@pytest.mark.parametrize("edges", [DIAMOND, SKIPPING, ()])
def test_nothing_overlaps(graph_of: Callable[..., Graph], edges: tuple[str, ...]) -> None:
    layout = laid_out(graph_of(*edges, alone=("single", "other")))
    for layer in layout.layers:
        for upper, lower in itertools.pairwise(layer):
            room = 0.5 + (isinstance(upper, str) + isinstance(lower, str)) * 0.5
            assert layout.middles[upper] - layout.middles[lower] >= room - 1e-9


def test_a_long_edge_has_a_waypoint_in_every_layer_it_crosses(graph_of: Callable[..., Graph]) -> None:
    graph = graph_of(*SKIPPING)
    layout = laid_out(graph)
    routes = {(edge.source_port, edge.target_port): route for edge, route in layout.routes.items()}
    assert routes["a", "b"] == (Waypoint("in", "a", 1), Waypoint("in", "a", 2))
    assert routes["c", "a"] == ()


def test_long_edges_of_one_port_share_their_way(graph_of: Callable[..., Graph]) -> None:
    layout = laid_out(graph_of("in.c mid.a", "mid.c one.a", "mid.c two.a", "in.a one.b", "in.a two.b"))
    assert [sum(isinstance(item, Waypoint) for item in layer) for layer in layout.layers] == [0, 1, 0]


def test_edges_cross_only_where_they_must(graph_of: Callable[..., Graph]) -> None:
    graph = graph_of("a.c x.a", "b.c y.a", "x.c p.a", "y.c q.a")
    columns = [[str(item) for item in layer] for layer in laid_out(graph).layers]
    assert columns in ([["a", "b"], ["x", "y"], ["p", "q"]], [["b", "a"], ["y", "x"], ["q", "p"]])


def test_a_start_stands_next_to_what_it_feeds(graph_of: Callable[..., Graph]) -> None:
    layout = laid_out(graph_of("in.c mid.a", "mid.c late.a", "helper.c late.b"))
    assert "helper" in layout.layers[1]


def test_the_same_graph_is_laid_out_the_same(graph_of: Callable[..., Graph]) -> None:
    assert laid_out(graph_of(*DIAMOND)) == laid_out(graph_of(*DIAMOND))
