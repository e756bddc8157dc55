"""`catenary-conformance run`: test a server."""

from __future__ import annotations

import contextlib
import datetime as dt
import secrets
import signal
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click
import pytest
from rich.console import Console

from catenary_conformance.commands.options import FILE, Duration, reaching_options
from catenary_conformance.conclusion import INTERRUPTED, UNREACHABLE, USAGE, concluded
from catenary_conformance.display import Display, summarise
from catenary_conformance.inprocess import run_pytest
from catenary_conformance.plugin import COLLECTOR, RUN
from catenary_conformance.report.writing import write

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

    from catenary_conformance.collecting import Collector
    from catenary_conformance.run import Run

PROFILES = ["core", "train", "infer", "telemetry", "full"]
REPORT = Path("conformance-report")


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
    "--budget", default="60s", show_default=True, type=Duration(), help="Time that the run may take: 90s, 10m."
)
@click.option("--seed", type=click.IntRange(0), help="Seed of everything drawn at random.  [another each time]")
@click.option(
    "--only", multiple=True, metavar="WHAT", help="Requirement id, area, or part of a case's name; repeatable."
)
@click.option("--known-failing", type=FILE, help="List of known failures (TOML).")
@click.option("--destructive", is_flag=True, help="Also what can take the target down or fill it up.")
@click.option("--trainrun", default="", metavar="NAME", help="Train run with losses.  [one that the target lists]")
@click.option("--plugin", default="", metavar="NAME", help="Plugin that sessions of the target may load.")
@click.option(
    "--report",
    "folder",
    default=REPORT,
    show_default=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder for report, pages, badge and transcripts.",
)
def run(*, address: str | None, target: str, folder: Path, seed: int | None, **options: Any) -> int:  # noqa: ANN401 - each has its option's type
    """Test the server at HOST:PORT; without one, a `catenary serve` of its own, with two tenants.

    Cases leave nothing behind, also when they are interrupted, but saved files under `conformance/` in the artifact
    area, which the contract gives no way to remove.
    """
    console = Console(highlight=False)
    with contextlib.ExitStack() as stack:
        reached = address or target
        if not reached:
            reached, tokens = stack.enter_context(_own_server(console))
            options |= tokens
        arguments = ["--target", reached, "--seed", str(secrets.randbelow(1 << 32) if seed is None else seed)]
        return _tested(console, [*arguments, *_arguments(options)], folder)


@contextlib.contextmanager
def _own_server(console: Console) -> Iterator[tuple[str, dict[str, str]]]:
    """A server of this repository, and the options that name its tokens."""
    from catenary_conformance.faulty.good_server import good_server  # noqa: PLC0415 - most runs need none

    configs = Path("configs")
    if not configs.is_dir():
        raise click.UsageError("name a server as HOST:PORT; one of its own needs a folder ./configs here")
    console.print("starting catenary serve")
    with tempfile.TemporaryDirectory() as folder, good_server(Path(folder), configs=configs.resolve()) as server:
        yield server.address, {"token": server.alice, "second_token": server.bob, "low_token": server.low}


def _tested(console: Console, arguments: list[str], folder: Path) -> int:
    display, state = Display(console), _State()
    former = signal.signal(signal.SIGTERM, _interrupted)
    try:
        with display.shown():
            status = run_pytest(arguments, [display, state])
    finally:
        signal.signal(signal.SIGTERM, former)
    return _ended(console, display, state, status, folder)


class _State:
    """Hands out what the plugin made of the options."""

    run: Run | None = None
    collector: Collector | None = None

    @pytest.hookimpl(trylast=True)
    def pytest_configure(self, config: pytest.Config) -> None:
        self.run, self.collector = config.stash.get(RUN, None), config.stash.get(COLLECTOR, None)


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


def _ended(console: Console, display: Display, state: _State, status: int, folder: Path) -> int:
    if status == pytest.ExitCode.USAGE_ERROR or state.run is None or state.collector is None:
        return USAGE
    if state.run.unreachable:
        print(f"error: {state.run.unreachable}", file=sys.stderr)  # noqa: T201 - the command's result
        return UNREACHABLE
    if display.error:
        raise click.ClickException(f"the suite itself failed: {display.error}")
    conclusion = concluded(state.run, state.collector.results, state.collector.known_digest)
    write(folder, state.run.contract, conclusion.report, conclusion.cases)
    summarise(console, conclusion, folder, dt.datetime.now(dt.UTC).date())
    return INTERRUPTED if status == pytest.ExitCode.INTERRUPTED else conclusion.exit_status


def _interrupted(_number: int, _frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt
