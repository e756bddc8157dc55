"""Who may connect and who may call: certificates and tokens, read at start and again whenever the operator asks."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from catenary_server.settings import SettingsError
from catenary_server.storage.token_file import TokenFileError, read_grants
from catenary_server.transport.interceptors.authentication import (
    AnonymousAuthenticator,
    TokenAuthenticator,
    contract_scopes,
)
from catenary_server.transport.tls import CertificateError, CertificateFiles, Certificates

if TYPE_CHECKING:
    import ssl
    from pathlib import Path

    import grpc

    from catenary_server.settings import Settings
    from catenary_server.transport.interceptors.authentication import Authenticator

log = logging.getLogger(__name__)


class Access:
    """What the settings say about access, ready for a server.

    Raises:
        SettingsError: a file cannot be used.
    """

    def __init__(self, settings: Settings) -> None:
        self._tokens = settings.tokens
        self._certificates: Certificates | None = None
        self._known: TokenAuthenticator | None = None
        try:
            if settings.tls_cert is not None and settings.tls_key is not None:
                files = CertificateFiles(settings.tls_cert, settings.tls_key, settings.tls_client_ca)
                self._certificates = Certificates(files)
            if settings.tokens is not None:
                self._known = TokenAuthenticator(read_grants(settings.tokens, contract_scopes()))
        except (CertificateError, TokenFileError) as error:
            raise SettingsError(str(error)) from error
        self._warn(settings)

    @property
    def authenticator(self) -> Authenticator:
        """Knows callers by their tokens; without a file of tokens, all are one."""
        return self._known or AnonymousAuthenticator()

    def credentials(self) -> grpc.ServerCredentials | None:
        """Of the one port; None if it is not encrypted."""
        return None if self._certificates is None else self._certificates.credentials()

    def ssl_context(self) -> ssl.SSLContext | None:
        """Of the dashboard's port, with the same certificate; None if it is not encrypted."""
        return None if self._certificates is None else self._certificates.ssl_context

    def reread(self) -> None:
        """Take what the files say now; what cannot be used is logged, and what was known before stays."""
        if self._known is not None and self._tokens is not None:
            self._reread_tokens(self._known, self._tokens)
        if self._certificates is not None:
            try:
                self._certificates.renew()
            except CertificateError as error:
                log.error("the certificate of before stays: %s", error)  # noqa: TRY400 - no stack is needed
            else:
                log.info("the certificate was read again")

    @staticmethod
    def _reread_tokens(known: TokenAuthenticator, file: Path) -> None:
        try:
            grants = read_grants(file, contract_scopes())
        except TokenFileError as error:
            log.error("the tokens of before stay, also those that were to go: %s", error)  # noqa: TRY400 - no stack
        else:
            known.replace(grants)
            log.info("the tokens were read again", extra={"tokens": len(grants)})

    def _warn(self, settings: Settings) -> None:
        if settings.loopback:
            return
        if self._known is None:
            log.warning("everyone who reaches %s may call, as the same principal: there are no tokens", settings.host)
        if self._certificates is None:
            log.warning("whoever sees the network sees every call and token: the port is not encrypted")
