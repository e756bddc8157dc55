"""Writes the page of node types from the declarations of the built-in nodes.

It is checked in, and a test compares it with what the nodes declare now.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from catenary_server.domain.node import NodeCategory
from catenary_server.nodes.catalog import ALIASES, BUILT_IN

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from catenary_server.domain.node import NodeSpec, ParamSpec, PortSpec

PAGE = Path("docs/nodes.md")

_HEAD = """\
# Node types

Generated from the declarations of the nodes by `nox -s generate`; do not edit. A server tells the same by
ListAvailableNodes (`catenary nodes`), with those of a session's plugins.

A pipeline names a node type as `class_name` and connects ports as `node.outputs.port` to `node.inputs.port`. In a
shape, -1 is a free size: cubes are [images, rows, columns, channels]. A node that is *fitted* takes part in the
statistical phase; until then, or until weights are loaded, it computes nothing. An *optional* port may stay
unconnected; a port for *several* takes any number of connections.
"""
_TITLES = {
    NodeCategory.SOURCE: "Sources",
    NodeCategory.TRANSFORM: "Transforms",
    NodeCategory.MODEL: "Models",
    NodeCategory.CONTROL: "Deciders",
    NodeCategory.LOSS: "Losses",
    NodeCategory.REGULARIZER: "Regularizers",
    NodeCategory.METRIC: "Metrics",
    NodeCategory.VISUALIZER: "Visualizers",
    NodeCategory.SINK: "Monitors",
}


def render() -> str:
    """The page in Markdown: node types by role, each with its ports, parameters and paper."""
    specs = [node.spec() for node in BUILT_IN]
    sections = (_section(title, [spec for spec in specs if spec.category is role]) for role, title in _TITLES.items())
    return _HEAD + "".join(sections)


def _section(title: str, specs: Iterable[NodeSpec]) -> str:
    return f"\n## {title}\n" + "".join("".join(f"{line}\n" for line in _lines(spec)) for spec in specs)


def _lines(spec: NodeSpec) -> Iterator[str]:
    yield from ("", f"### {spec.class_name}", "", spec.description)
    older = sorted(name for name, node in ALIASES.items() if node.__name__ == spec.class_name)
    facts = (
        ("Fitted by the statistical phase.", spec.statistical),
        (f"Older pipeline files call it {', '.join(f'`{name}`' for name in older)}.", bool(older)),
        (f"Paper: {spec.citation}.", bool(spec.citation)),
    )
    for text, holds in facts:
        if holds:
            yield from ("", text)
    yield from ("", "| port | | type | shape | |", "|---|---|---|---|---|")
    yield from (_port("in", port) for port in spec.inputs)
    yield from (_port("out", port) for port in spec.outputs)
    if spec.params:
        yield from ("", "| parameter | type | default | values | |", "|---|---|---|---|---|")
        yield from map(_param, spec.params)


def _port(direction: str, port: PortSpec) -> str:
    words = [word for word, holds in (("optional", port.optional), ("several", port.variadic)) if holds]
    return _row(f"`{port.name}`", " ".join([direction, *words]), port.dtype, list(port.shape), port.description)


def _param(param: ParamSpec) -> str:
    default = "required" if param.required else f"`{param.default}`"
    return _row(f"`{param.name}`", param.type, default, param.validation, param.description)


def _row(*cells: object) -> str:
    texts = (str(cell).replace("|", "\\|") for cell in cells)
    return "| " + " | ".join(texts) + " |"


if __name__ == "__main__":
    place = Path(sys.argv[1] if len(sys.argv) > 1 else ".") / PAGE
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(render())
