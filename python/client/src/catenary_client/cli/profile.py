"""`catenary profile`: how long the nodes of a session's pipeline take."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import click

from catenary_client.cli.connecting import Link, with_server
from catenary_client.cli.output import listing

if TYPE_CHECKING:
    from collections.abc import Iterator

    from catenary_client.profiling import NodeTimes, Stage

COLUMNS = ("node", "stage", "calls", "mean", "median", "std", "min", "max", "total", "last")


@click.group()
def profile() -> None:
    """Measure how long the nodes of a session take, also while it trains."""


@profile.command(epilog="Example: catenary profile on 5dKq0v --skip 3")
@click.argument("session_id")
@click.option("--synchronize", is_flag=True, help="Wait for the accelerator before each time is taken: exact, slower.")
@click.option("--skip", type=click.IntRange(0, 1_000_000), help="Calls of each node to leave out first, as warm-up.")
@click.option("--reset", is_flag=True, help="Forget what was measured before.")
@with_server
def on(link: Link, *, session_id: str, synchronize: bool, skip: int | None, reset: bool) -> None:
    """Start to measure."""
    session = link.client.attach(session_id)
    enabled = session.set_profiling(True, synchronize_cuda=synchronize, reset=reset, skip_first_n=skip)
    link.output.show({"profiling_enabled": enabled}, f"measuring the nodes of {session_id}")


@profile.command(epilog="Example: catenary profile off 5dKq0v")
@click.argument("session_id")
@with_server
def off(link: Link, *, session_id: str) -> None:
    """Stop measuring; what was measured stays."""
    enabled = link.client.attach(session_id).set_profiling(False)
    link.output.show({"profiling_enabled": enabled}, f"no longer measuring the nodes of {session_id}")


@profile.command(epilog="Example: catenary profile show 5dKq0v --stage inference")
@click.argument("session_id")
@click.option(
    "--stage", type=click.Choice(["train", "validate", "test", "inference"]), help="One stage; all without it."
)
@with_server
def show(link: Link, *, session_id: str, stage: Stage | None) -> None:
    """Show the times of the nodes, in milliseconds, in the order of the graph."""
    found = link.client.attach(session_id).profile(stage)
    table = listing(COLUMNS, map(_row, found)) if found else "nothing measured; start with `catenary profile on`"
    link.output.show({"nodes": found}, table)


def _row(times: NodeTimes) -> Iterator[str]:
    for field in dataclasses.fields(times):
        value = getattr(times, field.name)
        yield f"{value:.3f}" if isinstance(value, float) else str(value)
