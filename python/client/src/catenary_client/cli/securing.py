"""Options of an encrypted connection and of who calls over it."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import click

from catenary_client.connection import InsecureTokenError, check_token, tls_credentials

if TYPE_CHECKING:
    from collections.abc import Callable

    import grpc

_FILE = click.Path(exists=True, dir_okay=False)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Securing:
    """What the options say. A field is named as its option."""

    token: str
    plaintext_token: bool
    tls: bool
    tls_ca: str | None
    tls_server_name: str
    tls_cert: str | None
    tls_key: str | None

    @property
    def encrypted(self) -> bool:
        """Whether any of the options asks for an encrypted connection."""
        return self.tls or any((self.tls_ca, self.tls_server_name, self.tls_cert, self.tls_key))

    def credentials(self) -> grpc.ChannelCredentials | None:
        """Credentials of the connection; None if it is not encrypted.

        Raises:
            click.UsageError: the files cannot be used.
        """
        if not self.encrypted:
            return None
        try:
            return tls_credentials(self.tls_ca, certificate=self.tls_cert, key=self.tls_key)
        except (OSError, ValueError) as error:
            raise click.UsageError(str(error)) from error

    def check(self, server: str) -> None:
        """Refuse to send the token to this server, if others could read it on the way.

        Raises:
            click.UsageError: with the options that help.
        """
        try:
            check_token(server, self.token, encrypted=self.encrypted, plaintext=self.plaintext_token)
        except InsecureTokenError as error:
            raise click.UsageError(f"{error}: --tls or --tls-ca encrypts, --plaintext-token allows it") from error
        except ValueError as error:
            raise click.UsageError(str(error)) from error


def securing_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options; the command takes them as keyword arguments that `Securing` takes."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


_OPTIONS = (
    click.option(
        "--token",
        envvar="CATENARY_TOKEN",
        default="",
        show_envvar=True,
        metavar="TOKEN",
        help="Token of the server. The variable keeps it out of the list of processes.",
    ),
    click.option(
        "--tls", envvar="CATENARY_TLS", is_flag=True, show_envvar=True, help="Encrypt; trust whom the system does."
    ),
    click.option(
        "--tls-ca",
        envvar="CATENARY_TLS_CA",
        type=_FILE,
        show_envvar=True,
        help="Encrypt; trust the authority in this file (PEM).",
    ),
    click.option(
        "--tls-server-name",
        envvar="CATENARY_TLS_SERVER_NAME",
        default="",
        show_envvar=True,
        metavar="NAME",
        help="Name in the server's certificate, where it is not the host.",
    ),
    click.option(
        "--tls-cert",
        envvar="CATENARY_TLS_CERT",
        type=_FILE,
        show_envvar=True,
        help="Own certificate (PEM), for servers that ask for one; with --tls-key.",
    ),
    click.option("--tls-key", envvar="CATENARY_TLS_KEY", type=_FILE, show_envvar=True, help="Key of --tls-cert (PEM)."),
    click.option(
        "--plaintext-token", is_flag=True, help="Send the token even where others on the network can read it."
    ),
)
