"""What became of the mutants of a campaign, and the file in which that is kept from one piece of it to the next."""

from __future__ import annotations

import dataclasses
import fcntl
import json
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from catenary_conformance.faulty.trial import Result

_WORDS = 200  # characters of what was seen; enough to recognise it


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What became of one mutant.

    Attributes:
        mutant: its id.
        requirement: id of the requirement that it breaks.
        live: whether its witness tells it from the good server.
        case: the first case that failed; empty if none did.
        first_failing: ids of the requirements that this case shows to be broken.
        confirmed: whether the same case passed on the good server right behind.
        detail: what was expected and what was seen, shortened.
        cases: how many ran to a verdict.
        seconds: from the start of the first case to the failure, shrunk.
        events: what the client did on streams in the transcript: messages sent, half-closes, cancels; None without one.
    """

    mutant: str
    requirement: str
    live: bool
    case: str = ""
    first_failing: tuple[str, ...] = ()
    confirmed: bool = False
    detail: str = ""
    cases: int = 0
    seconds: float = 0.0
    events: int | None = None

    @property
    def area(self) -> str:
        """Area of the requirement, such as SES."""
        return self.requirement.split("-")[1]

    @property
    def caught(self) -> bool:
        """Whether some case fails with the fault and passes without it."""
        return bool(self.case) and self.confirmed

    @property
    def localised(self) -> bool:
        """Whether the first case that failed shows the requirement to be broken that is."""
        return self.requirement in self.first_failing


def found(mutant: str, requirement: str, result: Result, *, live: bool, confirmed: bool) -> Finding:
    """What the result of a trial says about a mutant."""
    return Finding(
        mutant=mutant,
        requirement=requirement,
        live=live,
        case=result.failed,
        first_failing=result.requirements,
        confirmed=confirmed,
        detail=result.detail.partition("\n")[0][:_WORDS],
        cases=result.cases,
        seconds=round(result.seconds, 2),
        events=result.events,
    )


class Findings:
    """Findings by mutant; with a file, each is kept there at once, and those of earlier pieces are known.

    Campaigns that run at the same time may share a file.
    """

    def __init__(self, file: Path | None = None) -> None:
        self._file = file
        self._by_mutant = _read(file) if file is not None else {}

    def __contains__(self, mutant: str) -> bool:
        return mutant in self._by_mutant

    def __getitem__(self, mutant: str) -> Finding:
        return self._by_mutant[mutant]

    def add(self, finding: Finding) -> None:
        """Keep a finding in place of what was known of the mutant."""
        self._by_mutant[finding.mutant] = finding
        if self._file is not None:
            with _alone(self._file.absolute().parent):
                _write(self._file, {**_read(self._file), finding.mutant: finding})


def _read(file: Path) -> dict[str, Finding]:
    if not file.exists():
        return {}
    entries = [
        Finding(**{**entry, "first_failing": tuple(entry["first_failing"])}) for entry in json.loads(file.read_text())
    ]
    return {each.mutant: each for each in entries}


def _write(file: Path, findings: dict[str, Finding]) -> None:
    """One line each, ordered, so that two such files can be compared."""
    lines = [json.dumps(dataclasses.asdict(findings[name])) for name in sorted(findings)]
    draft = file.with_name(f".{file.name}.new")
    draft.write_text("[\n" + ",\n".join(lines) + "\n]\n")
    draft.replace(file)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Nobody else writes a file of findings in this folder as long as the block lasts."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
