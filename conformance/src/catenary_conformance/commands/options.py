"""Options that several commands share: how to reach the target."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Callable

FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_UNITS = {"": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0}


class Duration(click.ParamType):  # type: ignore[type-arg] # generic for type checkers alone
    """Seconds, or minutes and hours with their letter: `90`, `90s`, `10m`."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:  # noqa: ANN401 - as click declares it
        """Seconds."""
        found = re.fullmatch(r"(\d+(?:\.\d+)?)(s|m|h|)", str(value))
        if found is None:
            self.fail(f"{value} is no duration; write 90s or 10m", param, ctx)
        return float(found.group(1)) * _UNITS[found.group(2)]


_REACHING = (
    click.option("--tls", is_flag=True, help="Encrypt; trust whom the system does."),
    click.option("--tls-ca", type=FILE, help="Encrypt; trust the authority in this file (PEM)."),
    click.option("--tls-server-name", default="", metavar="NAME", help="Name in the server's certificate."),
    click.option("--tls-cert", type=FILE, help="Own certificate (PEM); with --tls-key."),
    click.option("--tls-key", type=FILE, help="Key of --tls-cert (PEM)."),
    click.option(
        "--token",
        envvar="CATENARY_TOKEN",
        default="",
        show_envvar=True,
        metavar="TOKEN",
        help="Token with every scope.",
    ),
    click.option(
        "--service-alias",
        default="",
        metavar="NAME",
        help="Service that has the RPCs of catenary.v1 under its own name.",
    ),
    click.option(
        "--time-factor",
        default=1.0,
        show_default=True,
        type=click.FloatRange(0.1, 1000),
        help="Multiplies every deadline.",
    ),
)


def reaching_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options; the command takes them as keyword arguments that `Settings` takes."""
    for option in reversed(_REACHING):
        command = option(command)
    return command
