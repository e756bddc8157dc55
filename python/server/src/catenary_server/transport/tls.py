"""Encrypted ports: certificates that are checked at start and can be renewed while the server runs."""

from __future__ import annotations

import dataclasses
import ssl
import threading
from typing import TYPE_CHECKING

import grpc

if TYPE_CHECKING:
    from pathlib import Path


class CertificateError(ValueError):
    """A certificate, key or authority cannot be used; the message names the file and what is wrong."""


@dataclasses.dataclass(frozen=True, slots=True)
class CertificateFiles:
    """PEM files of an encrypted port.

    Attributes:
        certificate: the server's certificate, followed by those between it and its authority.
        key: its private key, without a password.
        client_authorities: authorities of client certificates; with them, a client must show one.
    """

    certificate: Path
    key: Path
    client_authorities: Path | None = None


class Certificates:
    """The certificate of a server's ports. Used by the loop that serves and, for each connection, by threads of gRPC.

    Attributes:
        ssl_context: the same certificate for ports that are not gRPC's.

    Raises:
        CertificateError: the files cannot be used.
    """

    def __init__(self, files: CertificateFiles) -> None:
        self._files = files
        self._lock = threading.Lock()
        self._next: grpc.ServerCertificateConfiguration | None
        self._next, self.ssl_context = _read(files)

    def renew(self) -> None:
        """Read the files again; new connections get what is in them now.

        Raises:
            CertificateError: they cannot be used; those of before stay.
        """
        following, _ = _read(self._files)
        self.ssl_context.load_cert_chain(self._files.certificate, self._files.key, password=_no_password)
        if self._files.client_authorities is not None:
            self.ssl_context.load_verify_locations(self._files.client_authorities)  # beside those of before
        with self._lock:
            self._next = following

    def credentials(self) -> grpc.ServerCredentials:
        """Credentials of the one port of gRPC."""
        first = self._taken()
        if first is None:
            raise AssertionError("credentials are for one port")
        mutual = self._files.client_authorities is not None
        return grpc.dynamic_ssl_server_credentials(first, self._taken, require_client_authentication=mutual)  # type: ignore[arg-type] # None is allowed

    def _taken(self) -> grpc.ServerCertificateConfiguration | None:
        """What has not been handed out yet: gRPC takes it over, so that each is given once; None means no change."""
        with self._lock:
            following, self._next = self._next, None
        return following


def _read(files: CertificateFiles) -> tuple[grpc.ServerCertificateConfiguration, ssl.SSLContext]:
    key, chain = _bytes(files.key), _bytes(files.certificate)
    authorities = None if files.client_authorities is None else _bytes(files.client_authorities)
    # gRPC learns of a faulty file when the first client comes, and tells nobody; so ask OpenSSL before.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(files.certificate, files.key, password=_no_password)
    except (ssl.SSLError, ValueError) as error:
        raise CertificateError(
            f"{files.certificate} and {files.key} are no certificate and its key in PEM: {_reason(error)}"
        ) from error
    if files.client_authorities is not None:
        context.verify_mode = ssl.CERT_REQUIRED
        try:
            context.load_verify_locations(files.client_authorities)
        except ssl.SSLError as error:
            raise CertificateError(f"{files.client_authorities} has no certificate in PEM: {_reason(error)}") from error
    return grpc.ssl_server_certificate_configuration([(key, chain)], authorities), context


def _bytes(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise CertificateError(f"cannot read {file}: {error.strerror}") from error


def _no_password() -> str:
    """Asked for when the key has a password: a server has nobody to ask."""
    raise ValueError("the key has a password, which a server cannot be asked for; store it without")


def _reason(error: ValueError | ssl.SSLError) -> str:
    reason = getattr(error, "reason", None)
    return str(reason or error).replace("_", " ").lower() if reason else str(error)
