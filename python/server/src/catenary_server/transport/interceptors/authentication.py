"""Who calls."""

from __future__ import annotations

import dataclasses
import hmac
import logging
import time
from typing import TYPE_CHECKING, Protocol

from catenary_server.domain.access import ANONYMOUS, digest_of
from catenary_server.domain.failure import Failure, Reason
from catenary_server.transport.methods import contract_methods

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from catenary_server.domain.access import Grant
    from catenary_server.transport.methods import Method

__all__ = ["ANONYMOUS", "AnonymousAuthenticator", "Authenticator", "Identity", "TokenAuthenticator", "contract_scopes"]

HEADER = "authorization"
SCHEME = "bearer"

log = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True, slots=True)
class Identity:
    """Who somebody is, and what they may do."""

    principal: str
    scopes: frozenset[str]


class Authenticator(Protocol):
    """Knows callers by what their calls carry."""

    def identify(self, metadata: Mapping[str, str | bytes]) -> Identity:
        """Who sends these headers.

        Raises:
            Failure: TOKEN_MISSING, TOKEN_INVALID, TOKEN_EXPIRED.
        """
        ...

    def authenticate(self, method: Method, metadata: Mapping[str, str | bytes]) -> str:
        """The principal that calls, who may call this RPC (`method.scope`).

        Raises:
            Failure: TOKEN_MISSING, TOKEN_INVALID, TOKEN_EXPIRED, SCOPE_MISSING.
        """
        ...


class AnonymousAuthenticator:
    """Takes everyone for the same principal, who may do everything: for servers that only this machine can reach."""

    def identify(self, metadata: Mapping[str, str | bytes]) -> Identity:  # noqa: ARG002 - not needed here
        """The anonymous principal, with every scope."""
        return Identity(ANONYMOUS, contract_scopes())

    def authenticate(self, method: Method, metadata: Mapping[str, str | bytes]) -> str:  # noqa: ARG002 - not needed here
        """The anonymous principal."""
        return ANONYMOUS


class TokenAuthenticator:
    """Knows callers by the bearer token in the `authorization` header of their call.

    Args:
        grants: what each token grants, by its digest.
        clock: Unix seconds, for tokens that expire.
    """

    def __init__(self, grants: Mapping[bytes, Grant], clock: Callable[[], float] = time.time) -> None:
        self._grants = grants
        self._clock = clock

    def replace(self, grants: Mapping[bytes, Grant]) -> None:
        """Know these tokens from now on, and no others; calls under way go on."""
        self._grants = grants

    def identify(self, metadata: Mapping[str, str | bytes]) -> Identity:
        """See `Authenticator`.

        Raises:
            Failure: TOKEN_MISSING, TOKEN_INVALID, TOKEN_EXPIRED.
        """
        return self._known(metadata, "")

    def authenticate(self, method: Method, metadata: Mapping[str, str | bytes]) -> str:
        """See `Authenticator`. An RPC that declares no scope may be called by nobody.

        Raises:
            Failure: TOKEN_MISSING, TOKEN_INVALID, TOKEN_EXPIRED, SCOPE_MISSING.
        """
        caller = self._known(metadata, method.path)
        if method.scope not in caller.scopes:
            log.info("refused for want of a scope", extra={"principal": caller.principal, "rpc": method.path})
            raise Failure(
                Reason.SCOPE_MISSING,
                f"the token of {caller.principal} lacks the scope {method.scope!r}; use one that carries it",
                metadata={"scope": method.scope},
            )
        return caller.principal

    def _known(self, metadata: Mapping[str, str | bytes], path: str) -> Identity:
        grant = self._granted(metadata)
        if grant.expired(self._clock()):
            log.info("refused an expired token", extra={"principal": grant.principal, "rpc": path})
            raise Failure(
                Reason.TOKEN_EXPIRED, "the token is past its end; ask the operator of the server for a new one"
            )
        return Identity(grant.principal, grant.scopes)

    def _granted(self, metadata: Mapping[str, str | bytes]) -> Grant:
        header = metadata.get(HEADER)
        if header is None:
            raise Failure(Reason.TOKEN_MISSING, f"this server asks for a token: send {HEADER}: Bearer <token>")
        scheme, _, token = str(header).partition(" ")
        digest = digest_of(token) if scheme.lower() == SCHEME else None
        grant = None if digest is None else self._grants.get(digest)
        # The search compares digests: how long it takes tells of them what nobody can turn into a token. The last
        # comparison takes the same time for every outcome all the same.
        if digest is None or grant is None or not hmac.compare_digest(digest, grant.digest):
            raise Failure(Reason.TOKEN_INVALID, "the server does not know this token; ask its operator for one")
        return grant


def contract_scopes() -> frozenset[str]:
    """Every scope that an RPC of the contract declares."""
    return frozenset(method.scope for method in contract_methods().values()) - {""}
