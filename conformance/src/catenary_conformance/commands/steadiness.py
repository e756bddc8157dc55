"""`catenary-conformance steadiness`: how often a good server fails."""

from __future__ import annotations

import collections
import contextlib
import itertools
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.console import Console
from rich.table import Column, Table

from catenary_conformance.conclusion import CONFORMANT, NOT_CONFORMANT
from catenary_conformance.steadiness import Condition, SteadyRun, run_once

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

MILLISECONDS = 50


@click.command(
    epilog="""
Examples:

\b
  catenary-conformance steadiness
  catenary-conformance steadiness --runs 3 --condition far
  catenary-conformance steadiness localhost:50061 --option=--profile=telemetry

Exit status: 0 every run passed, 1 some did not.
"""
)
@click.argument("address", metavar="[HOST:PORT]", required=False, default="")
@click.option("--runs", default=20, show_default=True, type=click.IntRange(1), help="Runs in all.")
@click.option(
    "--condition",
    "conditions",
    multiple=True,
    type=click.Choice([each.value for each in Condition]),
    help="Under what the runs go on, by turns; repeatable.  [all]",
)
@click.option(
    "--delay", default=MILLISECONDS, show_default=True, help="Milliseconds by which `far` delays each direction."
)
@click.option("--option", "options", multiple=True, metavar="OPTION", help="Option for each run; repeatable.")
def steadiness(*, address: str, runs: int, conditions: Sequence[str], delay: int, options: Sequence[str]) -> int:
    """Run the suite many times on the good server at HOST:PORT, without one on a `catenary serve` of its own.

    Each run has another seed. `busy` keeps every core busy meanwhile; `far` delays what goes to the server and comes
    back. Whatever fails is the suite's fault, or a fault of the server that shows now and then.
    """
    console = Console(highlight=False)
    wanted = [Condition(each) for each in conditions] or list(Condition)
    found = []
    with tempfile.TemporaryDirectory() as folder:
        for number, condition in zip(range(runs), itertools.cycle(wanted), strict=False):
            with _good(address, condition) as (reached, own):
                given = [*options, *own]
                report = Path(folder, str(number))
                each = run_once(reached, given, condition, folder=report, delay=delay / 1000, busy=os.cpu_count() or 1)
            found.append(each)
            console.print(f"{number + 1} of {runs}: {_line(each)}", soft_wrap=True)
    console.print(_table(found))
    return CONFORMANT if all(each.steady for each in found) else NOT_CONFORMANT


@contextlib.contextmanager
def _good(address: str, condition: Condition) -> Iterator[tuple[str, list[str]]]:
    """Address of the server, and options that it needs; far away, one of its own is needed before the run."""
    if address or condition is not Condition.FAR:
        yield address, []
        return
    from catenary_conformance.own_server import own_server  # noqa: PLC0415 - only here

    with own_server(1) as server:
        (mine,) = server.principals
        tokens = {"token": mine.token, "second-token": mine.second, "low-token": mine.low, "plugin": server.plugin}
        yield server.address, [f"--{name}={value}" for name, value in tokens.items() if value]


def _line(run: SteadyRun) -> str:
    wrong = f"; failed: {', '.join(run.wrong)}" if run.wrong else "" if run.steady else f"; status {run.status}"
    return f"{run.condition.value}, seed {run.seed}, {run.cases} cases in {run.seconds:.0f} s{wrong}"


def _table(found: Sequence[SteadyRun]) -> Table:
    table = Table(Column("condition"), "runs", "failed runs", "cases", "failed cases", box=None, header_style="bold")
    groups: dict[Condition, list[SteadyRun]] = collections.defaultdict(list)
    for each in found:
        groups[each.condition].append(each)
    for condition, runs in groups.items():
        failed = sum(not each.steady for each in runs)
        cases, wrong = sum(each.cases for each in runs), sum(len(each.wrong) for each in runs)
        table.add_row(condition.value, *map(str, (len(runs), failed, cases, wrong)))
    return table
