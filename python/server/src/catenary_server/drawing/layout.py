"""Where the boxes of a drawing stand: layers from left to right, few crossings, edges that go around boxes.

After Sugiyama, Tagawa & Toda, "Methods for visual understanding of hierarchical system structures" (IEEE Trans. SMC 11,
1981): nodes in layers by their longest path, waypoints where an edge crosses a layer, order within a layer by
barycentres; then heights by isotonic regression (pool adjacent violators), which keeps order and distances.
"""

from __future__ import annotations

import dataclasses
import itertools
from typing import TYPE_CHECKING

import networkx as nx

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from catenary_server.domain.graph import Edge, Graph

SWEEPS = 24
"""Passes over the layers; more hardly change anything."""

STRAIGHTNESS = 8
"""How much more it counts that a long edge is straight than that neighbours are level."""


@dataclasses.dataclass(frozen=True, slots=True)
class Waypoint:
    """Where all edges of one output port cross a layer together."""

    node: str
    port: str
    layer: int


Item = str | Waypoint
"""What stands in a layer: a node by its name, or a waypoint."""


_Neighbours = tuple[tuple[Item, ...], tuple[Item, ...]]
_ALONE: _Neighbours = ((), ())


@dataclasses.dataclass(frozen=True, slots=True)
class Layout:
    """Layers from left to right, items from top to bottom, and the height of the middle of each, growing upwards."""

    layers: tuple[tuple[Item, ...], ...]
    middles: Mapping[Item, float]
    routes: Mapping[Edge, tuple[Waypoint, ...]]
    """The waypoints of each edge, in its direction."""


def lay_out(graph: Graph, heights: Mapping[str, float], gap: float) -> Layout:
    """Place the nodes of a pipeline.

    Args:
        graph: the pipeline.
        heights: of the boxes, by node.
        gap: least distance between two items of a layer; waypoints have no height of their own.
    """
    layers = _layers(graph)
    layer_of = {name: index for index, layer in enumerate(layers) for name in layer}
    routes = {edge: _waypoints(edge, layer_of) for edge in graph.edges}
    items: list[list[Item]] = [list(layer) for layer in layers]
    for waypoint in dict.fromkeys(point for route in routes.values() for point in route):
        items[waypoint.layer].append(waypoint)
    links = _links(routes)
    _reduce_crossings(items, links)
    sizes = {item: heights.get(item, 0.0) if isinstance(item, str) else 0.0 for layer in items for item in layer}
    return Layout(tuple(map(tuple, items)), _middles(items, links, sizes, gap), routes)


def _layers(graph: Graph) -> list[list[str]]:
    """Nodes by their longest path from a start; what starts a path stands right before what it feeds."""
    network = nx.DiGraph()
    network.add_nodes_from(graph.order)
    network.add_edges_from((edge.source_node, edge.target_node) for edge in graph.edges)
    layers = list(nx.topological_generations(network))
    depth = {name: index for index, layer in enumerate(layers) for name in layer}
    for name in layers[0]:
        nearest = min((depth[target] for target in network.successors(name)), default=1)
        depth[name] = nearest - 1
    return [[name for name in graph.order if depth[name] == index] for index in range(len(layers))]


def _waypoints(edge: Edge, layer_of: Mapping[str, int]) -> tuple[Waypoint, ...]:
    between = range(layer_of[edge.source_node] + 1, layer_of[edge.target_node])
    return tuple(Waypoint(edge.source_node, edge.source_port, layer) for layer in between)


def _links(routes: Mapping[Edge, tuple[Waypoint, ...]]) -> Mapping[Item, _Neighbours]:
    """What each item is joined to in the layer before and in the layer after."""
    before: dict[Item, dict[Item, None]] = {}
    after: dict[Item, dict[Item, None]] = {}
    for edge, route in routes.items():
        chain: tuple[Item, ...] = (edge.source_node, *route, edge.target_node)
        for left, right in itertools.pairwise(chain):
            after.setdefault(left, {})[right] = None
            before.setdefault(right, {})[left] = None
    return {item: (tuple(before.get(item, ())), tuple(after.get(item, ()))) for item in {**before, **after}}


def _reduce_crossings(layers: list[list[Item]], links: Mapping[Item, _Neighbours]) -> None:
    """Sort each layer by the mean place of its neighbours, forwards and backwards in turn."""
    for sweep in range(SWEEPS):
        side = sweep % 2
        places = {item: place for layer in layers for place, item in enumerate(layer)}
        for layer in layers if side == 0 else reversed(layers):
            weights = {
                item: _mean((places[other] for other in links.get(item, _ALONE)[side]), places[item]) for item in layer
            }
            layer.sort(key=weights.__getitem__)
            places.update({item: place for place, item in enumerate(layer)})


def _middles(
    layers: Sequence[Sequence[Item]],
    links: Mapping[Item, _Neighbours],
    sizes: Mapping[Item, float],
    gap: float,
) -> dict[Item, float]:
    middles: dict[Item, float] = {}
    for layer in layers:
        offsets = _offsets(layer, sizes, gap)
        middles |= {item: offsets[-1] / 2 - offset for item, offset in zip(layer, offsets, strict=True)}
    for sweep in range(SWEEPS):
        for layer in layers if sweep % 2 == 0 else reversed(layers):
            offsets = _offsets(layer, sizes, gap)
            wanted = [_wanted(item, links.get(item, _ALONE), middles) for item in layer]
            # With the offsets added, "one below the other at a distance" becomes "not rising".
            levels = _falling([want + offset for want, offset in zip(wanted, offsets, strict=True)])
            middles |= {item: level - offset for item, level, offset in zip(layer, levels, offsets, strict=True)}
    return middles


def _wanted(item: Item, neighbours: _Neighbours, middles: Mapping[Item, float]) -> float:
    """Where an item would like to be: level with its neighbours, and with other waypoints above all."""
    others = [other for side in neighbours for other in side]
    straight = [STRAIGHTNESS if isinstance(item, Waypoint) and isinstance(other, Waypoint) else 1 for other in others]
    if not others:
        return middles[item]
    return sum(middles[other] * weight for other, weight in zip(others, straight, strict=True)) / sum(straight)


def _offsets(layer: Sequence[Item], sizes: Mapping[Item, float], gap: float) -> list[float]:
    """How far the middle of each item is below that of the first, if they stand as close as they may."""
    offsets = [0.0]
    for upper, lower in itertools.pairwise(layer):
        offsets.append(offsets[-1] + (sizes[upper] + sizes[lower]) / 2 + gap)
    return offsets


def _falling(values: Sequence[float]) -> list[float]:
    """The closest sequence, in least squares, that never rises."""
    blocks: list[tuple[float, int]] = []
    for value in values:
        mean, count = value, 1
        while blocks and blocks[-1][0] < mean:
            former, former_count = blocks.pop()
            mean = (former * former_count + mean * count) / (former_count + count)
            count += former_count
        blocks.append((mean, count))
    return [mean for mean, count in blocks for _ in range(count)]


def _mean(values: Iterable[float], otherwise: float) -> float:
    found = tuple(values)
    return sum(found) / len(found) if found else otherwise
