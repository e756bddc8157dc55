"""Who calls."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

    from catenary_server.transport.methods import Method

ANONYMOUS = "anonymous"
"""The one principal of a server without tokens."""


class Authenticator(Protocol):
    """Knows callers by what their calls carry."""

    def authenticate(self, method: Method, metadata: Mapping[str, str | bytes]) -> str:
        """The principal that calls, who may call this RPC (`method.scope`).

        Raises:
            Failure: TOKEN_MISSING, TOKEN_INVALID, TOKEN_EXPIRED, SCOPE_MISSING.
        """
        ...


class AnonymousAuthenticator:
    """Takes everyone for the same principal, who may do everything: for servers that only this machine can reach."""

    def authenticate(self, method: Method, metadata: Mapping[str, str | bytes]) -> str:  # noqa: ARG002 - not needed here
        """The anonymous principal."""
        return ANONYMOUS
