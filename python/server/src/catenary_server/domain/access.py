"""Who may call what: tokens, the principals they stand for, and the scopes they carry.

A token is 256 random bits. The server keeps its SHA-256 and never the token, so that whoever reads the file of tokens
cannot call. A slow hash, as passwords need, would add nothing: it protects secrets that can be guessed, and costs time
at every call.
"""

from __future__ import annotations

import dataclasses
import hashlib
import re
import secrets
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

ANONYMOUS: Final = "anonymous"
"""The one principal of a server without tokens. No token may stand for it: it owns the files of that server."""

TOKEN_PREFIX: Final = "catenary_"  # noqa: S105 - what all tokens begin with
"""Lets scanners of repositories and logs recognise a token."""

_TOKEN_BYTES: Final = 32
_TOKEN: Final = re.compile(rf"{TOKEN_PREFIX}[A-Za-z0-9_-]{{43}}")
_PRINCIPAL: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@+-]{0,63}")
_PATTERN: Final = re.compile(r"(\*|[a-z]+)\.(\*|[a-z]+)")


class GrantError(ValueError):
    """A grant that cannot be; the message says what to change."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """What the holder of one token may do.

    Attributes:
        digest: SHA-256 of the token.
        principal: owner of the sessions and files that are made with it.
        scopes: what it may be used for.
        expires: Unix seconds from which on it is refused; None never is.
    """

    digest: bytes
    principal: str
    scopes: frozenset[str]
    expires: float | None = None

    def expired(self, now: float) -> bool:
        """Whether its time is over at `now`, in Unix seconds."""
        return self.expires is not None and now >= self.expires


def new_token() -> str:
    """A token that nobody has."""
    return TOKEN_PREFIX + secrets.token_urlsafe(_TOKEN_BYTES)


def digest_of(token: str) -> bytes | None:
    """What is kept of a token; None for text that is no token, and so may be easy to guess."""
    return hashlib.sha256(token.encode()).digest() if _TOKEN.fullmatch(token) else None


def check_principal(principal: str) -> str:
    """The principal, if one may be called so.

    Raises:
        GrantError: it has other characters or length, or is the one of servers without tokens.
    """
    if not _PRINCIPAL.fullmatch(principal):
        raise GrantError(
            f"{principal!r} is no principal: write 1 to 64 letters, digits or . _ @ + -, the first a letter or digit"
        )
    if principal.lower() == ANONYMOUS:
        raise GrantError(f"{principal!r} names the callers of a server without tokens; take another name")
    return principal


def expand_scopes(patterns: Iterable[str], known: Collection[str]) -> frozenset[str]:
    """The scopes that patterns stand for; `*` in either part stands for all, as in `session.*`, `*.read` and `*.*`.

    Raises:
        GrantError: there is no pattern, or one that no known scope fits.
    """
    found: set[str] = set()
    for pattern in patterns:
        fitting = {scope for scope in known if _fits(pattern, scope)}
        if not fitting:
            raise GrantError(f"no scope is called {pattern!r}; there are: {', '.join(sorted(known))}")
        found |= fitting
    if not found:
        raise GrantError("a token needs at least one scope")
    return frozenset(found)


def _fits(pattern: str, scope: str) -> bool:
    if not _PATTERN.fullmatch(pattern):
        return False
    wanted, parts = pattern.split("."), scope.split(".")
    return all(want in ("*", part) for want, part in zip(wanted, parts, strict=True))
