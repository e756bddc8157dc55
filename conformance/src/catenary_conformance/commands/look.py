"""`catenary-conformance list` and `show`: what is required, and which cases decide it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console
from rich.table import Column, Table

from catenary_conformance.catalogue import Case, all_cases
from catenary_conformance.contract import Contract

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from catenary_conformance.levels import Requirement


@click.command(
    "list",
    epilog="""
Examples:

\b
  catenary-conformance list
  catenary-conformance list --area SES
  catenary-conformance list --untested
  catenary-conformance list --json | jq -r '.[].id'
""",
)
@click.option(
    "--area", default="", metavar="LETTERS", help="One area: SES, CFG, PIP, DAT, TRN, INF, DIS, PLG, PRF, TEL, ERR."
)
@click.option("--untested", is_flag=True, help="Requirements that no case decides.")
@click.option("--json", "as_json", is_flag=True, help="As JSON, for programs.")
def list_requirements(*, area: str, untested: bool, as_json: bool) -> None:
    """List the requirements of the contract."""
    cases = _by_requirement()
    wanted = [
        each
        for each in Contract.load().requirements.values()
        if (not area or each.area == area.upper()) and not (untested and cases.get(each.id))
    ]
    if as_json:
        click.echo(json.dumps([_document(each, cases.get(each.id, ())) for each in wanted]))
        return
    table = Table(Column("requirement", no_wrap=True), "level", "cases", "text", box=None, header_style="bold")
    for each in wanted:
        table.add_row(each.id, each.level.name, str(len(cases.get(each.id, ()))), each.text)
    Console(highlight=False).print(table)


@click.command(
    epilog="""
Example:

\b
  catenary-conformance show CAT-SES-004
"""
)
@click.argument("requirement_id", metavar="ID")
@click.option("--json", "as_json", is_flag=True, help="As JSON, for programs.")
def show(requirement_id: str, *, as_json: bool) -> None:
    """Show one requirement: its sentence, its RPCs, and the cases that decide it."""
    contract = Contract.load()
    requirement = contract.requirements.get(requirement_id.upper())
    if requirement is None:
        raise click.UsageError(f"the contract has no requirement {requirement_id}; `list` shows them")
    cases = _by_requirement().get(requirement.id, ())
    if as_json:
        click.echo(json.dumps(_document(requirement, cases)))
        return
    click.echo(
        f"{requirement.id} ({requirement.level.name})\n\n  {requirement.text}\n\nstands with {requirement.subject}"
    )
    if requirement.area != "ERR":
        for path in requirement.methods:
            method = contract.methods[path]
            codes = ", ".join(sorted(code.name for code in method.codes)) or "none of its own"
            click.echo(f"{path}\n  capability {method.capability or 'none'}, scope {method.scope}, codes {codes}")
    click.echo("\ndecided by")
    for case in cases:
        click.echo(f"  {case.name}")
    if not cases:
        click.echo("  no case")


def _by_requirement() -> Mapping[str, Sequence[Case]]:
    found: dict[str, list[Case]] = {}
    for case in all_cases():
        for each in case.requirement_ids:
            found.setdefault(each, []).append(case)
    return found


def _document(requirement: Requirement, cases: Sequence[Case]) -> dict[str, Any]:
    return {
        "id": requirement.id,
        "level": requirement.level.name,
        "subject": requirement.subject,
        "text": requirement.text,
        "methods": list(requirement.methods),
        "cases": [each.name for each in cases],
    }
