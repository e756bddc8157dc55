"""`catenary-conformance mutants`: what the suite itself is worth."""

from __future__ import annotations

import importlib

import click


@click.command(context_settings={"ignore_unknown_options": True}, add_help_option=False)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def mutants(arguments: tuple[str, ...]) -> int:
    """Run the suite against servers with one seeded fault each, and count which are caught."""
    campaign = importlib.import_module("catenary_conformance.faulty.campaign")
    status: int = campaign.main(list(arguments))
    return status
