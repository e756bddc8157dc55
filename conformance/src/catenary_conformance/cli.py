"""The command line: `catenary-conformance`, also `catenary conformance`."""

from __future__ import annotations

import sys
from pathlib import Path

import click
import pytest

INI = Path(__file__).with_name("conformance.ini")

EXAMPLES = """
Examples:

\b
  catenary-conformance run localhost:50051
  catenary-conformance run gpu.example.org:443 --tls --token "$TOKEN" --profile infer

Exit status: 0 conformant, 1 not, 2 wrong usage, 3 nobody answers at the address, 130 interrupted.
"""


@click.group(name="conformance", epilog=EXAMPLES, context_settings={"help_option_names": ["-h", "--help"]})
def conformance() -> None:
    """Test whether a server keeps the Catenary contract."""


@conformance.command(context_settings={"ignore_unknown_options": True})
@click.argument("target")
@click.argument("options", nargs=-1, type=click.UNPROCESSED)
def run(target: str, options: tuple[str, ...]) -> int:
    """Test the server at TARGET (host:port)."""
    arguments = [
        "--pyargs",
        "catenary_conformance.cases",
        "--target",
        target,
        "-c",
        str(INI),
        "--confcutdir",
        str(INI.parent),
    ]
    plugins = [
        "--disable-plugin-autoload",
        "-p",
        "catenary_conformance.plugin",
        "-p",
        "pytest_timeout",
        "-p",
        "no:cacheprovider",
        "-q",
    ]
    return int(pytest.main([*arguments, *plugins, *options]))


def main() -> None:
    """Run the command line and leave with its exit status."""
    try:
        sys.exit(conformance.main(sys.argv[1:], prog_name="catenary-conformance", standalone_mode=False))
    except click.ClickException as error:
        error.show()
        sys.exit(2)
