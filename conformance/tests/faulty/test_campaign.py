from __future__ import annotations

import io
from typing import TYPE_CHECKING

import click
import pytest
from rich.console import Console

from catenary_conformance.faulty import campaign
from catenary_conformance.faulty.campaign import Finding, as_json, main, reached, report
from catenary_conformance.faulty.registry import mutants
from catenary_conformance.faulty.trial import AREAS, Result

if TYPE_CHECKING:
    from pathlib import Path


def finding(name: str, *, caught: bool = True, by: str = "", seconds: float = 1.0) -> Finding:
    mutant = mutants()[name]
    requirements = (by or mutant.requirement,) if caught else ()
    failed = "sessions/test_x::test_y" if caught else ""
    result = Result(cases=3, failed=failed, requirements=requirements, detail="", seconds=seconds, touched={})
    return Finding(mutant, result)


SESSION = [name for name in mutants() if name.startswith("ses")]
GENERAL = next(name for name in mutants() if name.startswith("err"))


def test_all_caught_where_they_are_reaches_the_aims() -> None:
    assert reached([finding(name) for name in SESSION])


def test_one_of_twenty_may_survive() -> None:
    assert reached([finding(name, caught=number > 0) for number, name in enumerate(SESSION[:20])])
    assert not reached([finding(name, caught=number > 1) for number, name in enumerate(SESSION[:20])])


def test_none_may_survive_of_what_holds_for_every_rpc() -> None:
    assert not reached([*(finding(name) for name in SESSION), finding(GENERAL, caught=False)])


def test_one_of_ten_may_be_found_elsewhere() -> None:
    found = [finding(name, by="CAT-TRN-001" if number < 2 else "") for number, name in enumerate(SESSION[:20])]
    assert reached(found)
    assert not reached(
        [finding(name, by="CAT-TRN-001" if number < 3 else "") for number, name in enumerate(SESSION[:20])]
    )


def test_the_report_names_survivors_and_what_was_found_elsewhere() -> None:
    text = io.StringIO()
    survivor, stray = SESSION[0], SESSION[1]
    report(
        Console(file=text, width=200),
        [finding(survivor, caught=False), finding(stray, by="CAT-TRN-001"), finding(SESSION[2], seconds=3.0)],
    )
    assert f"survived: {survivor}" in text.getvalue()
    assert f"found elsewhere: {stray}" in text.getvalue()
    assert "2 (67%)" in text.getvalue()
    assert "1 (50%)" in text.getvalue()


def test_findings_are_plain_data() -> None:
    (entry,) = as_json([finding(SESSION[0])])
    assert entry["id"] == SESSION[0]
    assert entry["caught"] is True
    assert entry["localised"] is True


def test_every_area_has_a_place_in_the_order_of_cases() -> None:
    assert {each.area for each in mutants().values()} == set(AREAS)


def test_the_list_names_mutants_and_what_they_do(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--list", "--area", "plg"]) == 0
    shown = capsys.readouterr().out
    assert "plg-002-loads-once" in shown
    assert "ses-" not in shown


def test_a_mutant_that_there_is_not_is_wrong_usage() -> None:
    with pytest.raises(click.UsageError, match="no such mutant"):
        main(["--only", "nothing"])


def test_a_folder_of_configurations_is_needed(tmp_path: Path) -> None:
    with pytest.raises(click.UsageError, match="configurations"):
        main(["--configs", str(tmp_path / "none"), "--only", "ses-001"])


def test_a_mutant_is_tried_on_the_cases_that_call_one_of_its_methods() -> None:
    mutant = mutants()["ses-007-closes-once"]
    touched = {"closes": frozenset(mutant.methods), "else": frozenset({"/other"})}
    assert campaign.cases_of(mutant, touched) == ["closes"]
    unknown = mutants()["err-014-answers-anything"]
    assert campaign.cases_of(unknown, touched) == ["else"]
