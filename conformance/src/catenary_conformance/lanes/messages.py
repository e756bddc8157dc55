"""What a lane and the process that started it say to each other."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from catenary_conformance.findings import Findings
    from catenary_conformance.verdict import CaseResult


@dataclasses.dataclass(frozen=True, slots=True)
class Group:
    """Cases of one file that a lane runs in a row, so that what they share is made once."""

    start: int
    """Place of the first in the order of all cases."""
    end: int
    """Place behind the last."""
    alone: bool
    """Whether no other lane may run a case meanwhile."""


@dataclasses.dataclass(frozen=True, slots=True)
class Go:
    """To a lane: run, with these options of the suite's plugin."""

    arguments: Sequence[str]


@dataclasses.dataclass(frozen=True, slots=True)
class Collected:
    """From a lane: the cases that there are, the same in every lane."""

    groups: tuple[Group, ...]


@dataclasses.dataclass(frozen=True, slots=True)
class Ready:
    """From a lane: it has nothing to do. The answer is a `Group`, or None when nothing is left for it."""


@dataclasses.dataclass(frozen=True, slots=True)
class Began:
    """From a lane: a case has begun."""

    name: str


@dataclasses.dataclass(frozen=True, slots=True)
class Ended:
    """From a lane: a case has ended."""

    result: CaseResult


@dataclasses.dataclass(frozen=True, slots=True)
class Broken:
    """From a lane: the suite itself failed."""

    text: str


@dataclasses.dataclass(frozen=True, slots=True)
class Finished:
    """From a lane, as the last: it has removed what it made."""

    status: int
    """Exit status of pytest."""
    unreachable: str = ""
    """Why the target cannot be reached; empty when it can."""
    findings: Findings | None = None
    """What it found out, but for the results of its cases, which were told before; None when it ended too early."""


Message = Collected | Ready | Began | Ended | Broken | Finished
