"""`catenary plugins`: packages of node types that sessions load."""

from __future__ import annotations

import click

from catenary_client.cli.connecting import Link, with_server
from catenary_client.cli.output import facts, listing

session_option = click.option("--session", "session_id", required=True, metavar="ID", help="The session.")


@click.group()
def plugins() -> None:
    """List, load and show the plugins of a session."""


@plugins.command("list", epilog="Example: catenary plugins list --session 5dKq0v")
@session_option
@with_server
def list_plugins(link: Link, session_id: str) -> None:
    """List the plugins that a session has loaded."""
    found = link.client.attach(session_id).plugins()
    table = listing(
        ("plugin", "package", "version", "node types"),
        ((each.name, each.distribution, each.version, ", ".join(each.node_types)) for each in found),
    )
    link.output.show({"plugins": found}, table if found else "no plugins")


@plugins.command(epilog="Example: catenary plugins load ndvi --version '>=0.1' --session 5dKq0v")
@click.argument("name")
@click.option("--version", default="", metavar="SPECIFIER", help="Versions that will do, as PEP 440 writes them.")
@session_option
@with_server
def load(link: Link, *, name: str, version: str, session_id: str) -> None:
    """Make the node types of a plugin known to a session; the operator must have installed and allowed it."""
    session = link.client.attach(session_id)
    session.load_plugin(name, version=version)
    loaded = session.plugin(name)
    link.output.show(loaded, f"loaded {loaded.name} {loaded.version}: {', '.join(loaded.node_types)}")


@plugins.command(epilog="Example: catenary plugins show ndvi --session 5dKq0v")
@click.argument("name")
@session_option
@with_server
def show(link: Link, name: str, session_id: str) -> None:
    """Show a plugin that a session has loaded."""
    found = link.client.attach(session_id).plugin(name)
    rows = (
        ("plugin", found.name),
        ("package", found.distribution),
        ("version", found.version),
        ("node types", "\n".join(found.node_types)),
    )
    link.output.show(found, facts(rows))
