"""`catenary-conformance replay` and `diff`: the same again, and what changed."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from google.protobuf import json_format
from rich.console import Console
from rich.table import Column, Table

from catenary.conformance.v1 import transcript_pb2
from catenary_conformance.commands.options import FILE, reaching_options
from catenary_conformance.conclusion import CONFORMANT, NOT_CONFORMANT, UNREACHABLE
from catenary_conformance.contract import Contract
from catenary_conformance.difference import changes, same_target
from catenary_conformance.janitor import Janitor
from catenary_conformance.replay import replay as replay_transcript
from catenary_conformance.report.transcripts import told
from catenary_conformance.report.writing import read
from catenary_conformance.target import Settings, Target, TargetUnreachable

if TYPE_CHECKING:
    from catenary.conformance.v1.report_pb2 import Report

REPORT = click.Path(exists=True, path_type=Path)


@click.command(
    epilog="""
Example:

\b
  catenary-conformance replay conformance-report/transcripts/CASE.transcript.json localhost:50051

Exit status: 0 every call ended as it did, 1 some ended otherwise, 3 nobody answers.
"""
)
@click.argument("file", type=FILE)
@click.argument("target", metavar="HOST:PORT")
@reaching_options
@click.option("--show", "shown", is_flag=True, help="Print the transcript first.")
@click.option("--responses", is_flag=True, help="Look for the recorded responses as well, field by field.")
def replay(file: Path, target: str, *, shown: bool, responses: bool, **options: Any) -> int:  # noqa: ANN401 - each has its option's type
    """Make the calls of a transcript again and say whether each ends as it did."""
    contract = Contract.load()
    try:
        written = json_format.Parse(file.read_text(encoding="utf-8"), transcript_pb2.Transcript())
    except json_format.ParseError as error:
        raise click.UsageError(f"{file} is no transcript: {error}") from error
    if shown:
        click.echo(told(contract, written))
    server = Target(Settings(address=target, **options), contract)
    janitor = Janitor(server)
    try:
        server.connect()
        endings = replay_transcript(server, written, responses=responses)
    except TargetUnreachable as error:
        print(f"error: {error}", file=sys.stderr)  # noqa: T201 - the command's result
        return UNREACHABLE
    finally:
        janitor.sweep()
        janitor.close()
        server.close()
    table = Table(Column("call"), "recorded", "now", box=None, header_style="bold")
    for each in endings:
        now = f"{each.now}, without {' '.join(each.missing.split())}" if each.missing else each.now
        table.add_row(each.path, each.recorded, now, style="" if each.same else "red")
    Console(highlight=False).print(table)
    return CONFORMANT if all(each.same for each in endings) else NOT_CONFORMANT


@click.command(
    epilog="""
Example:

\b
  catenary-conformance diff before/report.json after/report.json

Exit status: 0 nothing became worse, 1 something did.
"""
)
@click.argument("before", type=REPORT)
@click.argument("after", type=REPORT)
def diff(before: Path, after: Path) -> int:
    """Say what changed from report BEFORE to report AFTER; files, or the folders that they are in."""
    old, new = _report(before), _report(after)
    if not same_target(old, new):
        click.echo(f"the servers describe themselves differently: {_name(old)} and {_name(new)}")
    if old.suite.contract_sha256 != new.suite.contract_sha256:
        click.echo("the contract is another: requirements may have come and gone")
    found = changes(old, new)
    table = Table(Column("what", no_wrap=True), "before", "after", box=None, header_style="bold")
    for each in found:
        table.add_row(each.subject, each.before, each.after, style="red" if each.worse else "")
    if found:
        Console(highlight=False).print(table)
    else:
        click.echo("no change")
    return NOT_CONFORMANT if any(each.worse for each in found) else CONFORMANT


def _report(file: Path) -> Report:
    try:
        return read(file)
    except (OSError, ValueError) as error:
        raise click.UsageError(str(error)) from error


def _name(report: Report) -> str:
    return (
        f"{report.target.implementation_name} {report.target.implementation_version}".strip() or report.target.address
    )
