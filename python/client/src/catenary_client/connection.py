"""Channels to a server: encrypted or not, and what may be sent over them."""

from __future__ import annotations

import ipaddress
import re
from pathlib import Path
from typing import TYPE_CHECKING

import grpc

if TYPE_CHECKING:
    import os

DEFAULT_ADDRESS = "localhost:50051"
DEFAULT_MAX_MESSAGE_BYTES = 301 * 1024 * 1024
"""Above the 300 MiB that a server takes by default, so that the server's own limit is the one that speaks."""

_KEEPALIVE_MS = 60_000
"""Not more often than servers tolerate; finds a dead connection below an idle stream."""

_TOKEN = re.compile(r"[!-~]+")


class InsecureTokenError(ValueError):
    """A token would go over a network unencrypted, where everyone on the way can read and use it."""


def channel_options(max_message_bytes: int, server_name: str = "") -> list[tuple[str, int | str]]:
    """Options of a channel that carries cubes: large messages, and a watch over idle streams."""
    options: list[tuple[str, int | str]] = [
        ("grpc.max_send_message_length", max_message_bytes),
        ("grpc.max_receive_message_length", max_message_bytes),
        ("grpc.keepalive_time_ms", _KEEPALIVE_MS),
    ]
    if server_name:
        options.append(("grpc.ssl_target_name_override", server_name))
    return options


def open_channel(
    address: str,
    *,
    credentials: grpc.ChannelCredentials | None = None,
    max_message_bytes: int = DEFAULT_MAX_MESSAGE_BYTES,
    server_name: str = "",
) -> grpc.aio.Channel:
    """A channel for asyncio; connects with the first call.

    Args:
        address: `host:port`.
        credentials: as `tls_credentials` makes them; None does not encrypt.
        max_message_bytes: largest message to send or take.
        server_name: name to expect in the server's certificate, where it is not the host of the address.
    """
    options = channel_options(max_message_bytes, server_name)
    if credentials is None:
        return grpc.aio.insecure_channel(address, options=options)
    return grpc.aio.secure_channel(address, credentials, options=options)


def open_thread_channel(
    address: str,
    *,
    credentials: grpc.ChannelCredentials | None = None,
    max_message_bytes: int = DEFAULT_MAX_MESSAGE_BYTES,
    server_name: str = "",
) -> grpc.Channel:
    """As `open_channel`, for calls that run in threads of the runtime; close it after use."""
    options = channel_options(max_message_bytes, server_name)
    if credentials is None:
        return grpc.insecure_channel(address, options=options)
    return grpc.secure_channel(address, credentials, options=options)


def tls_credentials(
    ca: str | os.PathLike[str] | None = None,
    *,
    certificate: str | os.PathLike[str] | None = None,
    key: str | os.PathLike[str] | None = None,
) -> grpc.ChannelCredentials:
    """Credentials of an encrypted connection.

    Args:
        ca: file in PEM with the authority that the server's certificate is checked against; None takes those that the
            system trusts.
        certificate: file in PEM with the client's own certificate, for servers that ask for one.
        key: its key.

    Raises:
        ValueError: one of certificate and key without the other.
        OSError: a file cannot be read.
    """
    if (certificate is None) != (key is None):
        raise ValueError("a client's certificate and its key belong together: give both or neither")
    return grpc.ssl_channel_credentials(_content(ca), _content(key), _content(certificate))


def check_token(address: str, token: str, *, encrypted: bool, plaintext: bool = False) -> None:
    """Refuse to send a token where others could read it, or one that no header can hold. No message quotes it.

    Args:
        address: the server.
        token: the token; empty is none.
        encrypted: whether the connection is.
        plaintext: send it over a network unencrypted all the same.

    Raises:
        InsecureTokenError: the connection is not encrypted and leaves this machine.
        ValueError: the token has blanks, line ends or characters outside ASCII.
    """
    if not token:
        return
    if not _TOKEN.fullmatch(token):
        raise ValueError("the token has characters that no token has, such as a line end; copy it again")
    if not (encrypted or plaintext or is_local(address)):
        raise InsecureTokenError(
            f"the connection to {address} is not encrypted, so that others could read the token: connect with TLS, "
            "or allow it explicitly if the network itself is trusted"
        )


def is_local(address: str) -> bool:
    """Whether an address, as gRPC writes it, stays on this machine."""
    scheme, _, rest = address.partition(":")
    if scheme in ("unix", "unix-abstract"):
        return True
    host = rest.rpartition("/")[2] if scheme == "dns" else address
    if host.startswith("["):
        host = host[1:].partition("]")[0]
    elif host.count(":") == 1:
        host = host.partition(":")[0]
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def connection_help(address: str, message: str, *, encrypted: bool) -> str:
    """What to do about a connection that cannot be made, by what the runtime says of it."""
    if "CERTIFICATE_VERIFY_FAILED" in message:
        return (
            f"the certificate of the server at {address} is not trusted: name its authority with --tls-ca or "
            "CATENARY_TLS_CA, in Python with tls_credentials(ca=...)."
        )
    if "Hostname Verification" in message:
        return (
            f"the certificate of the server at {address} is for another name: connect by that name, or give it with "
            "--tls-server-name, in Python server_name=..."
        )
    if "WRONG_VERSION_NUMBER" in message:
        return f"the server at {address} is not encrypted: connect without TLS."
    reached = f"cannot reach a server at {address} ({message}). "
    if "Socket closed" in message or "reset by peer" in message:
        hint = "it asks for a client certificate" if encrypted else "it is encrypted, for which there is --tls"
        return f"{reached}Something listens there; perhaps {hint}."
    return f"{reached}Start one with `catenary serve`, or name another with --server or CATENARY_SERVER."


def _content(file: str | os.PathLike[str] | None) -> bytes | None:
    return None if file is None else Path(file).read_bytes()
