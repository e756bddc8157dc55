from __future__ import annotations

import io

import pytest
from rich.console import Console

from catenary_conformance.faulty.findings import Finding
from catenary_conformance.faulty.registry import mutants
from catenary_conformance.faulty.score import TARGET_EVENTS, TARGET_SECONDS, reached, report

SESSION = [name for name in mutants() if name.startswith("ses")]
GENERAL = next(name for name in mutants() if name.startswith("err"))


def finding(
    name: str, *, caught: bool = True, by: str = "", live: bool = True, seconds: float = 1.0, events: int | None = None
) -> Finding:
    requirement = mutants()[name].requirement
    return Finding(
        mutant=name,
        requirement=requirement,
        live=live,
        case="sessions/test_x::test_y" if caught else "",
        first_failing=(by or requirement,) if caught else (),
        confirmed=caught,
        seconds=seconds,
        events=events,
    )


def test_all_caught_where_they_are_reaches_the_aims() -> None:
    assert reached([finding(name) for name in SESSION])


def test_one_of_twenty_may_survive() -> None:
    assert reached([finding(name, caught=number > 0) for number, name in enumerate(SESSION[:20])])
    assert not reached([finding(name, caught=number > 1) for number, name in enumerate(SESSION[:20])])


def test_none_may_survive_of_what_holds_for_every_rpc() -> None:
    assert not reached([*(finding(name) for name in SESSION), finding(GENERAL, caught=False)])


@pytest.mark.parametrize(("elsewhere", "enough"), [(2, True), (3, False)])
def test_one_of_ten_may_be_found_elsewhere(elsewhere: int, enough: bool) -> None:  # noqa: FBT001 - a parameter
    strays = [finding(name, by="CAT-TRN-001") for name in SESSION[:elsewhere]]
    assert reached([*strays, *(finding(name) for name in SESSION[elsewhere:20])]) is enough


def test_none_counts_that_its_witness_does_not_see() -> None:
    assert not reached([finding(SESSION[0], live=False), *(finding(name) for name in SESSION[1:])])


def test_counterexamples_are_to_be_soon_and_short() -> None:
    assert not reached([finding(name, seconds=TARGET_SECONDS + 1) for name in SESSION])
    assert not reached([finding(name, events=TARGET_EVENTS + 1) for name in SESSION])
    assert reached([finding(SESSION[0], events=TARGET_EVENTS + 1), *(finding(SESSION[1], events=1) for _ in range(2))])


def test_the_report_names_survivors_and_what_was_found_elsewhere() -> None:
    text = io.StringIO()
    survivor, stray, unseen = SESSION[0], SESSION[1], SESSION[2]
    report(
        Console(file=text, width=200),
        [
            finding(survivor, caught=False),
            finding(stray, by="CAT-TRN-001"),
            finding(unseen, live=False, seconds=3.0),
        ],
    )
    assert f"survived: {survivor}" in text.getvalue()
    assert f"found elsewhere: {stray}" in text.getvalue()
    assert f"not seen by its witness: {unseen}" in text.getvalue()
    assert "2 (67%)" in text.getvalue()
    assert "1 (50%)" in text.getvalue()
