"""`catenary nodes`: what pipelines can be made of."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from catenary_client.cli.connecting import Link, with_server
from catenary_client.cli.output import facts, listing

if TYPE_CHECKING:
    from collections.abc import Iterator

    from catenary_client.nodes import NodeParameter, NodePort, NodeType


@click.command(
    epilog="""
Examples:

\b
  catenary nodes
  catenary nodes RXLocal
"""
)
@click.argument("name", required=False, default="")
@click.option("--session", "session_id", default="", metavar="ID", help="Session whose plugins count, too.")
@with_server
def nodes(link: Link, *, name: str, session_id: str) -> None:
    """List the node types of the server, or show one with its ports and parameters."""
    found = link.client.attach(session_id).nodes() if session_id else link.client.nodes()
    if not name:
        link.output.show({"nodes": found}, listing(("class name", "category", "inputs", "outputs", ""), _rows(found)))
        return
    chosen = next((node for node in found if node.class_name == name), None)
    if chosen is None:
        raise click.UsageError(f"the server has no node type {name}; `catenary nodes` lists them")
    link.output.show(chosen, facts(_facts(chosen)))


def _rows(found: list[NodeType]) -> Iterator[tuple[str, ...]]:
    for node in found:
        yield (
            node.class_name,
            node.category.lower(),
            " ".join(port.name for port in node.inputs),
            " ".join(port.name for port in node.outputs),
            f"plugin {node.plugin}" if node.plugin else "",
        )


def _facts(node: NodeType) -> Iterator[tuple[str, str]]:
    yield "node type", node.class_name
    yield "category", node.category.lower()
    yield "plugin", node.plugin
    yield "computes", node.description
    yield "paper", node.citation
    yield "inputs", "\n".join(map(_port, node.inputs))
    yield "outputs", "\n".join(map(_port, node.outputs))
    yield "parameters", "\n".join(map(_parameter, node.params))


def _port(port: NodePort) -> str:
    kinds = [word for word, holds in (("optional", port.optional), ("several", port.variadic)) if holds]
    return f"{port} - {port.description}" + (f" ({', '.join(kinds)})" if kinds else "")


def _parameter(parameter: NodeParameter) -> str:
    value = "required" if parameter.required else f"= {parameter.default}"
    bounds = f" ({parameter.validation})" if parameter.validation else ""
    return f"{parameter.name}: {parameter.type} {value} - {parameter.description}{bounds}"
