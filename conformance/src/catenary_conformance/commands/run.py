"""`catenary-conformance run`: test a server."""

from __future__ import annotations

import contextlib
import datetime as dt
import os
import secrets
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click
import pytest
from rich.console import Console

from catenary_conformance.commands.options import FILE, Duration, reaching_options
from catenary_conformance.conclusion import INTERRUPTED, NOT_CONFORMANT, UNREACHABLE, USAGE, concluded
from catenary_conformance.contract import Contract
from catenary_conformance.display import Display, summarise
from catenary_conformance.findings import joined
from catenary_conformance.known_failing import KnownFailures, KnownFailuresError
from catenary_conformance.lanes.starting import Lanes
from catenary_conformance.report.writing import write

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

    from catenary_conformance.lanes.starting import Outcome
    from catenary_conformance.own_server import OwnServer

PROFILES = ["core", "train", "infer", "telemetry", "full"]
REPORT = Path("conformance-report")
MOST_LANES = 6
"""Lanes that are taken by default, however many cores there are: a server that is its own has to share them."""


@click.command(
    epilog="""
Examples:

\b
  catenary-conformance run localhost:50051
  catenary-conformance run
  catenary-conformance run localhost:50051 --profile telemetry --report report
  catenary-conformance run localhost:50051 --only SES --only CAT-TRN-012
  catenary-conformance run localhost:50051 --budget 10m --destructive
  catenary-conformance run gpu.example.org:443 --tls --token "$TOKEN" --second-token "$OTHER"
"""
)
@click.argument("address", metavar="[HOST:PORT]", required=False)
@click.option("--target", metavar="HOST:PORT", default="", help="The same, as an option.")
@reaching_options
@click.option("--second-token", default="", metavar="TOKEN", help="Token of another principal, for tenants.")
@click.option("--low-token", default="", metavar="TOKEN", help="Token with the scope discovery.read alone.")
@click.option(
    "--profile", default="", type=click.Choice(["", *PROFILES]), help="Capabilities to test.  [what is claimed]"
)
@click.option(
    "--budget",
    default="60s",
    show_default=True,
    type=Duration(),
    help="Time after which cases that take long or draw at random are left out: 90s, 10m.",
)
@click.option("--seed", type=click.IntRange(0), help="Seed of everything drawn at random.  [another each time]")
@click.option(
    "--only", multiple=True, metavar="WHAT", help="Requirement id, area, or part of a case's name; repeatable."
)
@click.option("--known-failing", type=FILE, help="List of known failures (TOML).")
@click.option("--complete", is_flag=True, help="Fail also when something was not tried, not reached or left behind.")
@click.option("--destructive", is_flag=True, help="Also what can take the target down or fill it up.")
@click.option("--trainrun", default="", metavar="NAME", help="Train run with losses.  [one that the target lists]")
@click.option("--plugin", default="", metavar="NAME", help="Plugin that sessions of the target may load.")
@click.option("--near", default="", metavar="unix:PATH", help="Unix socket of the target, for shared memory.")
@click.option(
    "--lanes",
    "count",
    type=click.IntRange(1, 16),
    help="Cases at once, without HOST:PORT.  [two more than cores, at most 6]",
)
@click.option(
    "--report",
    "folder",
    default=REPORT,
    show_default=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder for report, pages, badge and transcripts.",
)
def run(
    *,
    address: str | None,
    target: str,
    folder: Path,
    seed: int | None,
    count: int | None,
    budget: float,
    complete: bool,
    **options: Any,  # noqa: ANN401 - each has its option's type
) -> int:
    """Test the server at HOST:PORT; without one, a `catenary serve` of its own, with two tenants.

    Cases leave nothing behind, also when they are interrupted, but saved files under `conformance/` in the artifact
    area, which the contract gives no way to remove.
    """
    began = time.monotonic()
    console = Console(highlight=False)
    reached = address or target
    if reached and count not in (None, 1):
        raise click.UsageError("cases run at once only on a server that the run starts, with principals for each lane")
    options["seed"] = secrets.randbelow(1 << 32) if seed is None else seed
    options["destructive"] |= not reached  # a server of its own may be filled up
    try:
        KnownFailures.read(options["known_failing"])
    except KnownFailuresError as error:
        raise click.UsageError(str(error)) from error  # once, not by each lane
    count = 1 if reached else count or _lanes()
    with contextlib.ExitStack() as stack:
        stack.enter_context(_terminable())
        lanes = stack.enter_context(Lanes(count))
        if reached:
            mine = [{"target": reached}]
        else:
            mine = _of_own_server(stack.enter_context(_own_server(console, count)), options)
        left = max(budget - (time.monotonic() - began), 1.0)
        arguments = [_arguments({**options, **each, "budget": left}) for each in mine]
        display = Display(console)
        with display.shown():
            outcome = lanes.run(arguments, display)
        return _ended(console, outcome, budget, folder, complete=complete)


@contextlib.contextmanager
def _terminable() -> Iterator[None]:
    """Within the block, who is told to terminate leaves as after Ctrl-C: with everything ended that was started."""
    former = signal.signal(signal.SIGTERM, _interrupted)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, former)


def _interrupted(_number: int, _frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


def _lanes() -> int:
    """How many lanes suit this machine: two more than it has cores, since cases also wait."""
    return min((os.cpu_count() or 1) + 2, MOST_LANES)


@contextlib.contextmanager
def _own_server(console: Console, lanes: int) -> Iterator[OwnServer]:
    """A server of this repository."""
    from catenary_conformance.own_server import CONFIGS, own_server  # noqa: PLC0415 - many runs need none

    if not CONFIGS.is_dir():
        raise click.UsageError("name a server as HOST:PORT; one of its own needs a folder ./configs here")
    console.print("starting catenary serve")
    with own_server(lanes) as server:
        yield server


def _of_own_server(server: OwnServer, options: dict[str, Any]) -> list[dict[str, Any]]:
    """The options of each lane."""
    same = {
        "target": server.address,
        "near": options["near"] or server.near,
        "plugin": options["plugin"] or server.plugin,
    }
    return [
        {**same, "token": each.token, "second_token": each.second, "low_token": each.low} for each in server.principals
    ]


def _arguments(options: dict[str, Any]) -> list[str]:
    """The options as the pytest plugin has them: by the same names."""
    found = []
    for name, value in options.items():
        option = f"--{name.replace('_', '-')}"
        if isinstance(value, tuple):
            found += [f"{option}={each}" for each in value]
        elif value is True:
            found.append(option)
        elif value not in (None, False, ""):
            found.append(f"{option}={value}")
    return found


def _ended(console: Console, outcome: Outcome, budget: float, folder: Path, *, complete: bool) -> int:
    if outcome.unreachable:
        print(f"error: {outcome.unreachable}", file=sys.stderr)  # noqa: T201 - the command's result
        return UNREACHABLE
    if outcome.error:
        raise click.ClickException(f"the suite itself failed: {outcome.error}")
    if outcome.status == pytest.ExitCode.USAGE_ERROR or not outcome.findings:
        return INTERRUPTED if outcome.status == pytest.ExitCode.INTERRUPTED else USAGE
    contract = Contract.load()
    conclusion = concluded(contract, joined(outcome.findings, budget))
    write(folder, contract, conclusion.report, conclusion.cases)
    summarise(console, conclusion, folder, dt.datetime.now(dt.UTC).date())
    if outcome.status == pytest.ExitCode.INTERRUPTED:
        return INTERRUPTED
    return NOT_CONFORMANT if complete and not conclusion.complete else conclusion.exit_status
