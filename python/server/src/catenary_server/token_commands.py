"""The command `catenary tokens`: makes tokens, and checks the file that a server reads them from."""

from __future__ import annotations

import datetime as dt
import os
import re
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from catenary_server.domain.access import GrantError, check_principal, digest_of, expand_scopes, new_token
from catenary_server.storage.token_file import TokenFileError, format_line, parse_time, read_grants
from catenary_server.transport.interceptors.authentication import contract_scopes

if TYPE_CHECKING:
    from collections.abc import Collection

_SPAN = re.compile(r"(\d{1,5})([dh])")
_UNITS = {"d": 86400, "h": 3600}
_OWNER_ONLY = 0o600

CREATE_EXAMPLES = """
Examples:

\b
  catenary tokens create --principal alice --scope '*.*' --append tokens
  catenary tokens create --principal dashboard --scope '*.read' --expires 90d
  catenary tokens create --principal trainer --scope session.write --scope telemetry.write
"""


@click.group()
def tokens() -> None:
    """Make tokens for `catenary serve --tokens FILE`."""


@tokens.command(epilog=CREATE_EXAMPLES)
@click.option("--principal", required=True, help="Who holds it: owner of the sessions and files made with it.")
@click.option(
    "--scope",
    "patterns",
    multiple=True,
    required=True,
    metavar="AREA.ACCESS",
    help="What it may do, as in session.write; * stands for all, in either part. Repeatable.",
)
@click.option(
    "--expires", metavar="WHEN", help="Its end: 90d, 12h, or a time as 2030-01-31T00:00:00Z.  [default: never]"
)
@click.option(
    "--append", type=click.Path(path_type=Path, dir_okay=False), help="File to add the line to; made if missing."
)
def create(principal: str, patterns: tuple[str, ...], expires: str | None, append: Path | None) -> None:
    """Make a token. It is printed this once; what is kept of it is its SHA-256."""
    try:
        check_principal(principal)
        expand_scopes(patterns, contract_scopes())
        end = None if expires is None else _end(expires)
    except GrantError as error:
        raise click.UsageError(str(error)) from error
    token = new_token()
    line = format_line(_digest(token), principal, patterns, end)
    if append is None:
        click.echo("token, for its holder alone; it cannot be shown again:", err=True)
        click.echo(token)
        click.echo("line for the file of --tokens:", err=True)
        click.echo(line)
    else:
        _append(append, line)
        click.echo(f"added to {append}; a running server takes it in on SIGHUP. The token, this once:", err=True)
        click.echo(token)


@tokens.command(epilog="Example: catenary tokens check tokens")
@click.argument("file", type=click.Path(path_type=Path))
def check(file: Path) -> None:
    """Check a file of tokens, and say what each of them grants."""
    known = contract_scopes()
    try:
        grants = read_grants(file, known)
    except TokenFileError as error:
        raise click.UsageError(str(error)) from error
    for grant in grants.values():
        click.echo(f"{grant.principal}: {_listed(grant.scopes, known)}{_until(grant.expires)}")


def _digest(token: str) -> bytes:
    digest = digest_of(token)
    if digest is None:
        raise AssertionError("a new token has the form of one")
    return digest


def _end(text: str) -> float:
    """Unix seconds of a span from now, or of a time."""
    span = _SPAN.fullmatch(text)
    end = parse_time(text) if span is None else time.time() + int(span[1]) * _UNITS[span[2]]
    if end <= time.time():
        raise GrantError(f"{text!r} is past; a token ends in the future")
    return end


def _append(file: Path, line: str) -> None:
    """Add a line to a file that is made for its owner alone, on a line of its own."""
    try:
        descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_APPEND, _OWNER_ONLY)
        with os.fdopen(descriptor, "rb+") as opened:
            opened.seek(0)
            content = opened.read()
            separate = b"\n" if content and not content.endswith(b"\n") else b""
            opened.write(separate + line.encode() + b"\n")
    except OSError as error:
        raise click.UsageError(f"cannot add to {file}: {error.strerror}") from error


def _listed(scopes: Collection[str], known: Collection[str]) -> str:
    return "every scope" if set(scopes) == set(known) else ", ".join(sorted(scopes))


def _until(expires: float | None) -> str:
    if expires is None:
        return ""
    end = dt.datetime.fromtimestamp(expires, dt.UTC).isoformat(" ", "seconds")
    return f", {'ended' if expires <= time.time() else 'until'} {end}"
