"""Lists in pages: a token says behind which item the next page begins, and only this server can make one."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import itertools
import secrets
from typing import TYPE_CHECKING, TypeVar

from catenary_server.domain.failure import Failure, Reason, Violation

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

T = TypeVar("T")

_SEAL_BYTES = 12


class Pages:
    """Cuts lists. Tokens hold for one start of the server, one list and one selection from it."""

    def __init__(self) -> None:
        self._secret = secrets.token_bytes(32)

    def cut(
        self, items: Iterable[T], key: Callable[[T], str], *, size: int, token: str, selection: str
    ) -> tuple[list[T], str]:
        """One page, and the token of the next; empty on the last page.

        Items that come or go meanwhile do not disturb the others: each that stays is on exactly one page.

        Args:
            items: the whole list.
            key: unique name of an item; items are sorted by it.
            size: items on the page.
            token: empty for the first page, else what the page before gave.
            selection: whose list it is and what was selected; a token serves only for its own.

        Raises:
            Failure: FIELD_INVALID for a token that this server did not give for this list.
        """
        after = self._opened(token, selection) if token else ""
        rest = ((key(item), item) for item in items)
        behind = sorted((pair for pair in rest if not token or pair[0] > after), key=lambda pair: pair[0])
        page = list(itertools.islice(behind, size))
        more = len(behind) > len(page)
        return [item for _, item in page], self._sealed(page[-1][0], selection) if more else ""

    def _sealed(self, after: str, selection: str) -> str:
        content = after.encode()
        return base64.urlsafe_b64encode(self._seal(content, selection) + content).decode().rstrip("=")

    def _opened(self, token: str, selection: str) -> str:
        try:
            raw = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
        except (binascii.Error, ValueError):
            raw = b""
        seal, content = raw[:_SEAL_BYTES], raw[_SEAL_BYTES:]
        if not hmac.compare_digest(seal, self._seal(content, selection)):
            fault = Violation("page_token", "is none that this server gave for this list; begin without a token")
            raise Failure(Reason.FIELD_INVALID, f"{fault.subject} {fault.description}", violations=(fault,))
        return content.decode()

    def _seal(self, content: bytes, selection: str) -> bytes:
        message = len(selection).to_bytes(8, "big") + selection.encode() + content
        return hmac.digest(self._secret, message, hashlib.sha256)[:_SEAL_BYTES]
