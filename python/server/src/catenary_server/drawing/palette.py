"""Colours of the roles that nodes play."""

from __future__ import annotations

from typing import NamedTuple

from catenary_server.domain.node import NodeCategory


class Tint(NamedTuple):
    """Colours of a node as `#rrggbb`; text in `ink` can be read on `fill`."""

    fill: str
    ink: str


TINTS = {
    NodeCategory.SOURCE: Tint("#cfe8d5", "#1c5230"),
    NodeCategory.SINK: Tint("#e3e3e3", "#3d3d3d"),
    NodeCategory.TRANSFORM: Tint("#d3e4f6", "#174a7c"),
    NodeCategory.MODEL: Tint("#e0d8f3", "#47308a"),
    NodeCategory.LOSS: Tint("#f9d6d2", "#8c2418"),
    NodeCategory.METRIC: Tint("#fbe6c0", "#77500a"),
    NodeCategory.REGULARIZER: Tint("#f7dcea", "#862458"),
    NodeCategory.VISUALIZER: Tint("#cdeceb", "#0f5553"),
    NodeCategory.CONTROL: Tint("#eae6d6", "#55491d"),
}
"""By category; every category has one."""
