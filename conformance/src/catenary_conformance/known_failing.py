"""The list of known failures: what a target does not do yet, who sees to it, and until when.

An entry does not make a failure right. It keeps a run from failing for what is known, until the entry expires, and
fails the run when the target has become better than the list.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import hashlib
import tomllib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from catenary_conformance.verdict import CaseResult

ENTRY = """\
[[known]]
case = "{case}"
transcript = "{transcript}"   # leave it empty to expect any failure of the case
owner = "{owner}"
expires = {expires}
reason = "{reason}"
"""
DAYS = 90


class KnownFailuresError(ValueError):
    """The file of known failures cannot be used; the message says why."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class KnownFailure:
    """One entry."""

    case: str
    """Name of the case, or the id of a requirement: then every case of it."""
    transcript: str
    """Hexadecimal digest of the transcript that shows it, or the beginning of it; empty for any."""
    owner: str
    expires: dt.date
    reason: str

    def explains(self, result: CaseResult, digest: str, today: dt.date) -> bool:
        """Whether a failure is this known one."""
        return self.concerns(result) and today <= self.expires and digest.startswith(self.transcript)

    def concerns(self, result: CaseResult) -> bool:
        """Whether it speaks of a case."""
        return self.case == result.name or self.case in result.requirement_ids


@dataclasses.dataclass(frozen=True, slots=True)
class KnownFailures:
    """A list of known failures."""

    entries: tuple[KnownFailure, ...] = ()
    digest: bytes = b""
    """SHA-256 of the file; empty without one."""

    @classmethod
    def read(cls, file: Path | None) -> KnownFailures:
        """The list in a TOML file, none without one.

        Raises:
            KnownFailuresError: the file cannot be read, or an entry lacks something.
        """
        if file is None:
            return cls()
        try:
            content = file.read_bytes()
            document = tomllib.loads(content.decode())
            entries = tuple(_entry(each) for each in document.get("known", []))
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise KnownFailuresError(f"{file}: {error}") from error
        return cls(entries, hashlib.sha256(content).digest())

    def explaining(self, result: CaseResult, digest: str, today: dt.date) -> KnownFailure | None:
        """The entry that a failure is known by."""
        return next((each for each in self.entries if each.explains(result, digest, today)), None)

    def expecting(self, result: CaseResult) -> KnownFailure | None:
        """The entry that names exactly this case, which should therefore fail."""
        return next((each for each in self.entries if each.case == result.name), None)


def entry_of(result: CaseResult, digest: str, today: dt.date) -> str:
    """An entry for a failure, ready to paste; the owner is for its reader to fill in."""
    line = result.detail.strip().splitlines()[0] if result.detail.strip() else "it fails"
    reason = line[:120].replace("\\", "/").replace('"', "'")
    expires = today + dt.timedelta(days=DAYS)
    return ENTRY.format(case=result.name, transcript=digest[:16], owner="", expires=expires, reason=reason)


def entries_of(failures: Iterable[tuple[CaseResult, str]], today: dt.date) -> str:
    """Entries for failures, ready to paste."""
    return "\n".join(entry_of(result, digest, today) for result, digest in failures)


def _entry(document: dict[str, Any]) -> KnownFailure:
    entry = KnownFailure(**{"transcript": "", "reason": "", **document})
    if not entry.owner:
        raise ValueError(f"the entry of {entry.case!r} has no owner")
    if not isinstance(entry.expires, dt.date):
        raise TypeError(f"`expires` of {entry.case!r} is no date; write it as 2027-01-31")
    return entry
