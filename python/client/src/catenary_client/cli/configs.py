"""`catenary configs`: configurations on the server."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.syntax import Syntax

from catenary_client.cli import exit_codes
from catenary_client.cli.connecting import Link, all_overrides, override_arguments, with_server
from catenary_client.cli.output import listing

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rich.table import Table

    from catenary.v1.node_pb2 import ParamSpec

GROUPS = ("pipeline", "trainrun", "data", "training", "optimizer", "scheduler", "callbacks")

config_type_argument = click.argument("config_type", type=click.Choice(GROUPS), metavar="GROUP")
search_path_option = click.option(
    "--search-path", "search_paths", multiple=True, metavar="DIR", help="Directory of the server; repeatable."
)


@click.group()
def configs() -> None:
    """List, resolve, describe and check configurations."""


@configs.command("list", epilog="Example: catenary configs list trainrun")
@click.argument("config_type", type=click.Choice(GROUPS), metavar="[GROUP]", required=False, default=None)
@search_path_option
@with_server
def list_configs(link: Link, config_type: str | None, search_paths: tuple[str, ...]) -> None:
    """List the configuration files that can be resolved."""
    with link.client.session(search_paths=search_paths or None) as session:
        found = session.configs(config_type or "")
    table = listing(
        ("group", "path", "search path"), ((file.config_type, file.path, file.search_path) for file in found)
    )
    link.output.show({"configs": found}, table if found else "no configurations")


@configs.command(epilog="Example: catenary configs resolve trainrun deep_svdd training.optimizer.lr=0.001")
@config_type_argument
@click.argument("path")
@override_arguments
@search_path_option
@with_server
def resolve(
    link: Link,
    *,
    config_type: str,
    path: str,
    overrides: tuple[str, ...],
    more_overrides: tuple[str, ...],
    search_paths: tuple[str, ...],
) -> None:
    """Print a complete configuration, with overrides applied."""
    with link.client.session(search_paths=search_paths or None) as session:
        resolved = session.resolve(config_type, path, all_overrides(overrides, more_overrides))
    link.output.show(resolved.values, _json(resolved.values))


@configs.command(epilog="Example: catenary configs schema training --json > training.schema.json")
@config_type_argument
@with_server
def schema(link: Link, config_type: str) -> None:
    """Print the JSON Schema of a group of configurations."""
    document = link.client.config_schema(config_type)
    link.output.show(document, _json(document))


@configs.command(
    epilog="""
Examples:

\b
  catenary configs validate trainrun mine.json
  catenary configs resolve trainrun rx --json | catenary configs validate trainrun -
"""
)
@config_type_argument
@click.argument("file", type=click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path))
@with_server
def validate(link: Link, config_type: str, file: Path) -> int:
    """Check a complete configuration, a JSON file here or `-` for the standard input; 1 when it is faulty."""
    content = sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
    check = link.client.validate_config(config_type, content)
    lines = [f"error: {error}" for error in check.errors] + [f"warning: {warning}" for warning in check.warnings]
    link.output.show(check, *lines, "valid" if check.valid else "not valid")
    return exit_codes.OK if check.valid else exit_codes.REFUSED


@configs.command(epilog="Example: catenary configs options --json")
@with_server
def options(link: Link) -> None:
    """List the optimizers, schedulers, callbacks and data formats that a training may use."""
    found = link.client.training_capabilities()
    groups = [
        (f"optimizer: {', '.join(found.supported_optimizers)}", found.optimizer_params.parameters),
        (f"scheduler: {', '.join(found.supported_schedulers)}", found.scheduler_params.parameters),
        *((f"callback {each.type}: {each.description}", each.parameters) for each in found.supported_callbacks),
    ]
    tables = [part for heading, parameters in groups for part in (heading, _parameters(parameters), "")]
    readers = listing(("data", "needs"), ((reader.suffix, reader.missing_requirement) for reader in found.data_readers))
    link.output.show(found, *tables, readers)


def _parameters(parameters: Iterable[ParamSpec]) -> Table:
    return listing(
        ("  parameter", "default", "values", "meaning"),
        (
            (f"  {each.name}", "required" if each.required else each.default_value, each.validation, each.description)
            for each in parameters
        ),
    )


def _json(document: object) -> Syntax:
    return Syntax(json.dumps(document, indent=2), "json", background_color="default", word_wrap=True)
