from __future__ import annotations

import pytest

from catenary_conformance.contract import Contract
from catenary_conformance.skipping import SkipReason
from catenary_conformance.verdict import (
    CaseResult,
    Conformance,
    Standing,
    Verdict,
    blamed,
    by_requirement,
    conformance,
    standings,
    worst,
)

CONTRACT = Contract.load()
EVERYTHING = frozenset(CONTRACT.capabilities)


def case(verdict: Verdict, *ids: str, skip: SkipReason | None = None, name: str = "a case") -> CaseResult:
    return CaseResult(
        name=name, requirement_ids=ids, capabilities=frozenset({"sessions"}), verdict=verdict, skip_reason=skip
    )


def passes(*, but: str = "") -> list[CaseResult]:
    """A pass for every requirement but one."""
    return [case(Verdict.PASS, each) for each in CONTRACT.requirements if each != but]


@pytest.mark.parametrize(
    ("verdicts", "expected"),
    [
        ([Verdict.PASS, Verdict.FAIL, Verdict.SKIPPED], Verdict.FAIL),
        ([Verdict.PASS, Verdict.SKIPPED], Verdict.SKIPPED),
        ([Verdict.KNOWN_FAIL, Verdict.INCONCLUSIVE], Verdict.INCONCLUSIVE),
        ([Verdict.UNEXPECTED_PASS, Verdict.INCONCLUSIVE], Verdict.UNEXPECTED_PASS),
        ([], Verdict.SKIPPED),
    ],
)
def test_the_worst_verdict_counts(verdicts: list[Verdict], expected: Verdict) -> None:
    assert worst(verdicts) is expected


def test_who_passes_everything_conforms() -> None:
    results = by_requirement(CONTRACT, passes(), EVERYTHING)
    assert conformance(results) is Conformance.CONFORMANT
    assert not blamed(results)


def test_one_must_that_fails_is_enough() -> None:
    results = by_requirement(CONTRACT, [*passes(but="CAT-SES-004"), case(Verdict.FAIL, "CAT-SES-004")], EVERYTHING)
    assert conformance(results) is Conformance.NONCONFORMANT
    assert blamed(results)


def test_a_should_that_fails_does_no_harm() -> None:
    should = next(each.id for each in CONTRACT.requirements.values() if each.level.name == "SHOULD")
    results = by_requirement(CONTRACT, [*passes(but=should), case(Verdict.FAIL, should)], EVERYTHING)
    assert conformance(results) is Conformance.CONFORMANT
    assert not blamed(results)


def test_a_claim_whose_cases_were_skipped_is_not_conformant() -> None:
    skipped = case(Verdict.SKIPPED, "CAT-SES-004", skip=SkipReason.DESTRUCTIVE)
    results = by_requirement(CONTRACT, [*passes(), skipped], EVERYTHING)
    assert conformance(results) is Conformance.INCOMPLETE
    assert not blamed(results)
    assert standings(CONTRACT, results, EVERYTHING)["sessions"] == (Standing.UNPROVEN, 1)


def test_a_requirement_that_no_case_decides_is_not_conformant() -> None:
    assert conformance(by_requirement(CONTRACT, passes(but="CAT-SES-004"), EVERYTHING)) is Conformance.INCOMPLETE


def test_who_does_not_answer_in_time_is_to_blame() -> None:
    late = case(Verdict.INCONCLUSIVE, "CAT-SES-004")
    results = by_requirement(CONTRACT, [*passes(but="CAT-SES-004"), late], EVERYTHING)
    assert conformance(results) is Conformance.INCOMPLETE
    assert blamed(results)


def test_what_is_not_claimed_does_not_apply() -> None:
    claimed = frozenset({"sessions"})
    results = by_requirement(CONTRACT, [], claimed)
    verdicts = {each.requirement.id: each.verdict for each in results}
    assert verdicts["CAT-TRN-013"] is Verdict.NOT_APPLICABLE
    assert verdicts["CAT-SES-004"] is Verdict.SKIPPED


def test_a_claim_that_does_not_work_is_broken_and_an_absent_one_that_works_is_unclaimed() -> None:
    results = by_requirement(CONTRACT, [case(Verdict.FAIL, "CAT-SES-004")], EVERYTHING)
    assert standings(CONTRACT, results, EVERYTHING)["sessions"][0] is Standing.BROKEN
    assert standings(CONTRACT, results, EVERYTHING - {"sessions"})["sessions"][0] is Standing.UNCLAIMED
    assert standings(CONTRACT, by_requirement(CONTRACT, [], frozenset()), frozenset())["sessions"][0] is Standing.ABSENT
