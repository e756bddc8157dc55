"""Resume tokens: secrets that let their holder take a run over. They are computed, so that none is stored."""

from __future__ import annotations

import base64
import hashlib
import hmac
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from catenary_server.domain.telemetry_run import RunState


class Tokens:
    """Makes and checks tokens.

    Args:
        secret: random bytes of this server's store.
    """

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def token(self, state: RunState, epoch: int) -> str:
        """The token of one registration of a run."""
        digest = hmac.digest(self._secret, f"{state.key} {epoch}".encode(), hashlib.sha256)
        return base64.urlsafe_b64encode(digest).decode().rstrip("=")

    def fits(self, state: RunState, token: str) -> bool:
        """Whether a token is the newest of a run."""
        return hmac.compare_digest(token.encode(), self.token(state, state.writer_epoch).encode())
