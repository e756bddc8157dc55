"""Options and arguments that commands share: where the server is, how to print, overrides."""

from __future__ import annotations

import dataclasses
import functools
import logging
from typing import TYPE_CHECKING, Any, TypeVar

import click

from catenary_client.cli import exit_codes
from catenary_client.cli.output import Output
from catenary_client.cli.securing import Securing, securing_options
from catenary_client.client import Client
from catenary_client.connection import DEFAULT_ADDRESS
from catenary_client.errors import CatenaryError, ConnectionFailedError
from catenary_client.retry import NO_RETRY, RetryPolicy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

T = TypeVar("T")


@dataclasses.dataclass(frozen=True, slots=True)
class Link:
    """A connection to the server, and where to print."""

    client: Client
    output: Output


def output_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--json`."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON: one document, or one in each line.")(
        command
    )


def with_server(command: Callable[..., T]) -> Callable[..., T]:
    """Add the options that name a server, and hand the command a connection to it."""

    @click.option(
        "--server",
        envvar="CATENARY_SERVER",
        default=DEFAULT_ADDRESS,
        show_default=True,
        show_envvar=True,
        metavar="HOST:PORT",
        help="The server.",
    )
    @click.option("--timeout", type=click.FloatRange(min=0, min_open=True), default=120.0, show_default=True,
                  metavar="SECONDS", help="For one call with all its attempts.")  # fmt: skip
    @click.option("--no-retry", is_flag=True, help="Send nothing again after a failure.")
    @securing_options
    @output_option
    @functools.wraps(command)
    def connected(*, server: str, timeout: float, no_retry: bool, as_json: bool, **options: Any) -> T:  # noqa: ANN401 - as their options are
        logging.basicConfig(format="%(message)s", level=logging.WARNING)
        output = Output(as_json=as_json)
        retry = NO_RETRY if no_retry else RetryPolicy()
        securing = Securing(**{field.name: options.pop(field.name) for field in dataclasses.fields(Securing)})
        securing.check(server)
        try:
            with Client(
                server,
                timeout=timeout,
                retry=retry,
                credentials=securing.credentials(),
                token=securing.token,
                server_name=securing.tls_server_name,
                plaintext_token=securing.plaintext_token,
            ) as client:
                return command(Link(client, output), **options)
        except CatenaryError as error:
            output.fail(error)
            lost = isinstance(error, ConnectionFailedError)
            raise click.exceptions.Exit(exit_codes.NO_CONNECTION if lost else exit_codes.REFUSED) from error

    return connected


def override_arguments(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add overrides, as bare arguments `key.path=value` and as `--override`."""
    argument = click.argument("overrides", nargs=-1, metavar="[KEY=VALUE]...")
    option = click.option(
        "--override", "more_overrides", multiple=True, metavar="KEY=VALUE", help="The same as a bare KEY=VALUE."
    )
    return argument(option(command))


def all_overrides(overrides: tuple[str, ...], more_overrides: tuple[str, ...]) -> list[str]:
    """Overrides in both forms, the bare ones first.

    Raises:
        click.UsageError: one has no value.
    """
    return list(_checked((*overrides, *more_overrides)))


def _checked(overrides: tuple[str, ...]) -> Iterator[str]:
    for override in overrides:
        if "=" not in override and not override.startswith("~"):
            raise click.UsageError(f"{override} is no override: write KEY=VALUE, for example data.batch_size=8")
        yield override
