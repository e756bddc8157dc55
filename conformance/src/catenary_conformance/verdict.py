"""What comes of cases, requirements, capabilities and the whole run; the rules by which results are judged."""

from __future__ import annotations

import dataclasses
import enum
from typing import TYPE_CHECKING

from catenary_conformance.levels import Level
from catenary_conformance.skipping import SkipReason

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from catenary_conformance.contract import Contract, Requirement
    from catenary_conformance.recording import CallRecord


class Verdict(enum.Enum):
    """What came of a case or a requirement; numbered as in `catenary.conformance.v1.Verdict`."""

    PASS = 1
    FAIL = 2
    KNOWN_FAIL = 3
    UNEXPECTED_PASS = 4
    SKIPPED = 5
    NOT_APPLICABLE = 6
    INCONCLUSIVE = 7

    @property
    def badness(self) -> int:
        """Position from best to worst."""
        return _FROM_BEST.index(self)


_FROM_BEST = (
    Verdict.PASS,
    Verdict.NOT_APPLICABLE,
    Verdict.SKIPPED,
    Verdict.KNOWN_FAIL,
    Verdict.INCONCLUSIVE,
    Verdict.UNEXPECTED_PASS,
    Verdict.FAIL,
)
BAD = frozenset({Verdict.FAIL, Verdict.UNEXPECTED_PASS})
"""Verdicts that count against a run."""
CHOSEN = frozenset({SkipReason.DESTRUCTIVE, SkipReason.BUDGET, SkipReason.NEEDS_SECOND_PRINCIPAL})
"""Reasons to skip that whoever runs the suite can do something about."""


class Conformance(enum.Enum):
    """Whether a target conforms; numbered as in `catenary.conformance.v1.Conformance`."""

    CONFORMANT = 1
    INCOMPLETE = 2
    NONCONFORMANT = 3


class Standing(enum.Enum):
    """How a claim and the behaviour go together; numbered as in `CapabilityResult.Standing`."""

    PROVEN = 1
    UNPROVEN = 2
    BROKEN = 3
    ABSENT = 4
    UNCLAIMED = 5


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class CaseResult:
    """What came of one case."""

    name: str
    """Unique within the suite."""
    requirement_ids: tuple[str, ...]
    """Requirements that it decides; of a failure, those that it shows to be broken."""
    capabilities: frozenset[str]
    """Capabilities that it needs."""
    verdict: Verdict
    seconds: float = 0.0
    skip_reason: SkipReason | None = None
    detail: str = ""
    calls: tuple[CallRecord, ...] = ()
    """What was sent and received; of failures only."""
    seed: int = 0
    attempts: int = 1


@dataclasses.dataclass(frozen=True, slots=True)
class RequirementResult:
    """What came of one requirement."""

    requirement: Requirement
    verdict: Verdict
    cases: tuple[CaseResult, ...]


def worst(verdicts: Iterable[Verdict]) -> Verdict:
    """The worst of some; SKIPPED of none, since nothing was tried."""
    return max(verdicts, key=lambda each: each.badness, default=Verdict.SKIPPED)


def by_requirement(
    contract: Contract, cases: Sequence[CaseResult], expected: frozenset[str]
) -> list[RequirementResult]:
    """Results of all requirements, in the order of their ids.

    One that needs what is not claimed is not applicable. A skipped case leaves a requirement skipped, also when its
    other cases passed: it is not wholly shown.
    """
    found = []
    for requirement in contract.requirements.values():
        mine = tuple(each for each in cases if requirement.id in each.requirement_ids)
        applicable = [each.verdict for each in mine if each.verdict is not Verdict.NOT_APPLICABLE]
        if applicable:
            verdict = worst(applicable)
        elif mine or not _claimed(contract, requirement, expected):
            verdict = Verdict.NOT_APPLICABLE
        else:
            verdict = Verdict.SKIPPED
        found.append(RequirementResult(requirement, verdict, mine))
    return found


def conformance(results: Iterable[RequirementResult]) -> Conformance:
    """Whether a target conforms, by its MUST requirements."""
    verdicts = [each.verdict for each in results if each.requirement.level is Level.MUST]
    if any(each in BAD for each in verdicts):
        return Conformance.NONCONFORMANT
    if all(each in {Verdict.PASS, Verdict.NOT_APPLICABLE} for each in verdicts):
        return Conformance.CONFORMANT
    return Conformance.INCOMPLETE


def blamed(results: Iterable[RequirementResult]) -> bool:
    """Whether something went wrong, and was not only left out by the choice of whoever ran the suite."""
    cases = [case for each in results for case in each.cases if each.requirement.level is Level.MUST]
    return any(each.verdict in BAD or each.verdict is Verdict.INCONCLUSIVE for each in cases)


def standings(
    contract: Contract, results: Sequence[RequirementResult], claimed: frozenset[str]
) -> Mapping[str, tuple[Standing, int]]:
    """How each capability stands, and how many of its requirements were not tried."""
    return {name: _standing(contract, name, results, claimed) for name in contract.capabilities}


def _standing(
    contract: Contract, name: str, results: Sequence[RequirementResult], claimed: frozenset[str]
) -> tuple[Standing, int]:
    mine = [each for each in results if name in _capabilities(contract, each.requirement)]
    cases = [case for each in results for case in each.cases if name in case.capabilities]
    skipped = sum(each.verdict in {Verdict.SKIPPED, Verdict.INCONCLUSIVE} for each in mine)
    failed = any(each.verdict in BAD for each in mine) or any(each.verdict in BAD for each in cases)
    if name not in claimed:
        return (Standing.UNCLAIMED if failed else Standing.ABSENT), skipped
    if failed:
        return Standing.BROKEN, skipped
    return (Standing.UNPROVEN if skipped else Standing.PROVEN), skipped


def _claimed(contract: Contract, requirement: Requirement, expected: frozenset[str]) -> bool:
    needed = _capabilities(contract, requirement)
    return not needed or bool(needed & expected)


def _capabilities(contract: Contract, requirement: Requirement) -> frozenset[str]:
    if requirement.area == "ERR":
        return frozenset()
    return frozenset(contract.methods[path].capability for path in requirement.methods) - {""}
