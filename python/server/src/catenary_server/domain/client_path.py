"""A path as a client writes it, taken apart and refused where it could mean something else than it shows."""

from __future__ import annotations

import dataclasses
import re
import unicodedata
from typing import TYPE_CHECKING

from catenary_server.domain.failure import Failure, Reason, Violation

if TYPE_CHECKING:
    from collections.abc import Iterator

RESERVED_PREFIX = ".catenary-"
"""Names with this start are the server's own: unfinished files, and the areas of the principals."""

_MAX_PATH_BYTES = 4096
_MAX_COMPONENT_BYTES = 255
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*:")
_ENCODED = re.compile(r"%(?:2e|2f|5c|00)", re.IGNORECASE)
_HIDDEN_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
_SENSITIVE = frozenset("./\\~%:#")
_IDEOGRAPHIC_STOPS = frozenset("\N{IDEOGRAPHIC FULL STOP}\N{HALFWIDTH IDEOGRAPHIC FULL STOP}")


@dataclasses.dataclass(frozen=True, slots=True)
class ClientPath:
    """A harmless path: whether it began with `/`, and its components, none of which is `.` or `..`."""

    absolute: bool
    parts: tuple[str, ...]

    @classmethod
    def parse(cls, text: str, *, subject: str = "path") -> ClientPath:
        """Take a path apart.

        Args:
            text: as the client wrote it; `.` components and one trailing slash mean nothing.
            subject: the field that violations name.

        Raises:
            Failure: PATH_INVALID, with a violation for each fault.
        """
        faults = tuple(Violation(subject, fault) for fault in _faults(text))
        if faults:
            shown = ascii(text if len(text) <= 100 else f"{text[:100]}...")  # noqa: PLR2004 - enough to recognise it
            raise Failure(
                Reason.PATH_INVALID,
                f"{shown} is not a usable path: {faults[0].description}",
                violations=faults,
            )
        return cls(text.startswith("/"), tuple(part for part in text.split("/") if part not in {"", "."}))


def _faults(text: str) -> Iterator[str]:
    if not text:
        yield "must not be empty"
    if any(unicodedata.category(char) in _HIDDEN_CATEGORIES for char in text):
        yield "must not hold control or invisible characters"
        return
    if len(text.encode()) > _MAX_PATH_BYTES:
        yield f"must not be longer than {_MAX_PATH_BYTES} bytes"
    if text.startswith("~"):
        yield "must not start with ~"
    if _SCHEME.match(text):
        yield "must be a path, not a URL or a drive"
    yield from _character_faults(text)
    yield from _component_faults(text)


def _character_faults(text: str) -> Iterator[str]:
    if "\\" in text:
        yield "must not hold a backslash"
    if "#" in text:
        yield "must not hold #"
    if "//" in text:
        yield "must not hold an empty component"
    if _ENCODED.search(text):
        yield "must not hold percent-encoded characters"
    if any(_poses_as_ascii(char) for char in text):
        yield "must not hold characters that look like path syntax"


def _component_faults(text: str) -> Iterator[str]:
    parts = text.split("/")
    if ".." in parts:
        yield "must not hold .."
    if any(len(part.encode()) > _MAX_COMPONENT_BYTES for part in parts):
        yield f"must not hold a component of more than {_MAX_COMPONENT_BYTES} bytes"
    if any(part.startswith(RESERVED_PREFIX) for part in parts):
        yield f"must not hold a component that starts with {RESERVED_PREFIX}"


def _poses_as_ascii(char: str) -> bool:
    """True for a character that some layer below may fold into a dot, a slash or another sign of path syntax."""
    if char.isascii():
        return False
    return char in _IDEOGRAPHIC_STOPS or not _SENSITIVE.isdisjoint(unicodedata.normalize("NFKC", char))
