"""Tokens of a server in this process."""

from __future__ import annotations

from catenary_server.domain.access import Grant, digest_of, new_token


class Tokens:
    """Tokens that the server knows, made as they are needed."""

    def __init__(self) -> None:
        self.grants: dict[bytes, Grant] = {}

    def make(self, scopes: frozenset[str], principal: str = "alice", expires: float | None = None) -> str:
        token = new_token()
        digest = digest_of(token)
        assert digest is not None
        self.grants[digest] = Grant(digest=digest, principal=principal, scopes=scopes, expires=expires)
        return token
