"""`catenary command`: steer a run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from catenary_client.cli import exit_codes
from catenary_client.cli.connecting import Link, with_server

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from catenary_client.runs import RunCommand

ACTIONS: dict[str, RunCommand] = {
    "pause": "pause",
    "resume": "resume",
    "stop": "stop",
    "lr": "learning_rate",
    "batch-size": "batch_size",
}


def _value(_context: click.Context, _option: click.Parameter, text: str | None) -> float | None:
    if text is None:
        return None
    try:
        return float(text)
    except ValueError as error:
        raise click.BadParameter(f"{text} is no number") from error


def _arguments(command: Callable[..., Any]) -> Callable[..., Any]:
    action = click.argument("action", type=click.Choice(list(ACTIONS)))
    return click.argument("run_id")(action(click.argument("value", required=False, callback=_value)(command)))


@click.command(
    epilog=f"""
Examples:

\b
  catenary command digits-20260101-120000 pause
  catenary command digits-20260101-120000 lr 0.01
  catenary command digits-20260101-120000 batch-size 64 --json

The command takes effect between two batches; its outcome is printed. The exit status is 1 if it was refused, or if
there was no outcome in time.

{exit_codes.HELP}
"""
)
@_arguments
@click.option("--wait", default=60.0, show_default=True, type=click.FloatRange(0, 60), metavar="SECONDS",
              help="How long to wait for the outcome.")  # fmt: skip
@click.option("--expires-in", type=click.FloatRange(0, min_open=True), metavar="SECONDS",
              help="When the command is void if it has not taken effect.  [default: as the server says]")  # fmt: skip
@with_server
def command(link: Link, *, run_id: str, action: str, value: float | None, wait: float, expires_in: float | None) -> int:
    """Pause, resume or stop a training, or change its learning rate (lr VALUE) or batch size (batch-size VALUE)."""
    if (action in ("lr", "batch-size")) != (value is not None):
        raise click.UsageError(f"{action} takes " + ("a value" if value is None else "no value"))
    if action == "batch-size" and value != int(value or 0):
        raise click.UsageError("a batch has a whole number of samples")
    outcome = link.client.send_command(run_id, ACTIONS[action], value, wait=wait, expires_in=expires_in)
    link.output.show(outcome, f"{action}: {outcome}")
    return exit_codes.OK if outcome.applied else exit_codes.REFUSED
