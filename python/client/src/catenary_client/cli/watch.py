"""`catenary watch`: a run as it goes on."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import click
from rich.live import Live

from catenary_client.cli import exit_codes
from catenary_client.cli.connecting import Link, with_server
from catenary_client.cli.output import jsonable
from catenary_client.cli.run_view import RunView

if TYPE_CHECKING:
    from collections.abc import Iterable

    from catenary_client.cli.output import Output
    from catenary_client.run_results import RunEvent, TelemetryRun

LINE_SECONDS = 1.0
"""Time between two lines on how a run stands."""


@click.command(
    epilog=f"""
Examples:

\b
  catenary watch digits-20260101-120000
  catenary watch digits-20260101-120000 --from-start --json

A terminal shows how the run stands; elsewhere there is a line for each event and one a second on losses and speed.
The exit status is 1 if the training failed.

{exit_codes.HELP}
"""
)
@click.argument("run_id")
@click.option("--from-start", is_flag=True, help="Begin with the first event that is kept, not with now.")
@click.option("--after", type=click.IntRange(0), metavar="SEQUENCE", help="Begin behind this event.")
@with_server
def watch(link: Link, *, run_id: str, from_start: bool, after: int | None) -> int:
    """Watch a run until it ends: status, losses, speed, epochs, commands and their results."""
    begin = 0 if from_start else after
    events = link.client.watch_run(
        run_id, after_sequence=begin, payload_classes=("scalar", "performance"), snapshot_points=0
    )
    try:
        last = _show(link.output, events)
    finally:
        events.close()
    return exit_codes.REFUSED if last is not None and last.status == "FAILED" else exit_codes.OK


def _show(output: Output, events: Iterable[RunEvent]) -> TelemetryRun | None:
    if output.as_json:
        return _show_json(output, events)
    if output.console.is_terminal:
        return _show_live(output, events)
    return _show_lines(output, events)


def _show_json(output: Output, events: Iterable[RunEvent]) -> TelemetryRun | None:
    run = None
    for event in events:
        run = event.run or run
        document = {"sequence": event.sequence, "kind": event.kind, "time_ms": event.time_ms}
        output.show({**document, event.kind: jsonable(event.message), "dropped": dict(event.dropped)})
    return run


def _show_lines(output: Output, events: Iterable[RunEvent]) -> TelemetryRun | None:
    run, view, said = None, RunView(), ""
    next_line = time.monotonic()
    for event in events:
        run = event.run or run
        line = view.take(event)
        if line:
            output.say(line)
        standing = view.standing()
        if time.monotonic() >= next_line and view.place and standing != said:
            output.say(standing)
            said, next_line = standing, time.monotonic() + LINE_SECONDS
    return run


def _show_live(output: Output, events: Iterable[RunEvent]) -> TelemetryRun | None:
    run, view = None, RunView()
    with Live(console=output.console, get_renderable=view.picture, refresh_per_second=8):
        for event in events:
            run = event.run or run
            view.take(event)
    return run
