from __future__ import annotations

import datetime as dt
import tomllib
from typing import TYPE_CHECKING

import pytest

from catenary_conformance.collecting import with_known
from catenary_conformance.known_failing import KnownFailures, KnownFailuresError, entries_of
from catenary_conformance.verdict import CaseResult, Verdict

if TYPE_CHECKING:
    from pathlib import Path

TODAY = dt.date(2026, 11, 21)
NAME = "sessions/test_close::test_closing_again_succeeds"


def result(verdict: Verdict, name: str = NAME) -> CaseResult:
    return CaseResult(
        name=name, requirement_ids=("CAT-SES-007",), capabilities=frozenset(), verdict=verdict, detail='say "no"\nmore'
    )


def known(folder: Path, text: str) -> KnownFailures:
    file = folder / "known-failing.toml"
    file.write_text(text)
    return KnownFailures.read(file)


def entry(*, case: str = NAME, expires: str = "2027-01-31", transcript: str = "") -> str:
    return f'[[known]]\ncase = "{case}"\nowner = "somebody"\nexpires = {expires}\ntranscript = "{transcript}"\n'


def test_a_known_failure_is_told_from_a_new_one(tmp_path: Path) -> None:
    found = known(tmp_path, entry())
    assert with_known(result(Verdict.FAIL), found, TODAY).verdict is Verdict.KNOWN_FAIL
    assert with_known(result(Verdict.FAIL, "another"), found, TODAY).verdict is Verdict.FAIL


def test_a_requirement_id_knows_all_its_cases(tmp_path: Path) -> None:
    found = known(tmp_path, entry(case="CAT-SES-007"))
    assert with_known(result(Verdict.FAIL, "another"), found, TODAY).verdict is Verdict.KNOWN_FAIL


def test_an_entry_ends_with_its_day(tmp_path: Path) -> None:
    assert with_known(result(Verdict.FAIL), known(tmp_path, entry(expires="2026-11-21")), TODAY).verdict is (
        Verdict.KNOWN_FAIL
    )
    assert with_known(result(Verdict.FAIL), known(tmp_path, entry(expires="2026-11-20")), TODAY).verdict is Verdict.FAIL


def test_another_failure_of_the_same_case_is_new(tmp_path: Path) -> None:
    found = known(tmp_path, entry(transcript="0123456789abcdef"))
    assert with_known(result(Verdict.FAIL), found, TODAY).verdict is Verdict.FAIL


def test_who_has_become_better_than_the_list_is_told(tmp_path: Path) -> None:
    assert with_known(result(Verdict.PASS), known(tmp_path, entry()), TODAY).verdict is Verdict.UNEXPECTED_PASS


def test_entries_are_printed_ready_to_paste(tmp_path: Path) -> None:
    text = entries_of([(result(Verdict.FAIL), "ab" * 32)], TODAY)
    pasted = tomllib.loads(text)["known"][0]
    assert pasted["case"] == NAME
    assert pasted["transcript"] == "ab" * 8
    with pytest.raises(KnownFailuresError, match="owner"):
        known(tmp_path, text)


@pytest.mark.parametrize("text", ["[[known]]\ncase = 1\n", "not toml", '[[known]]\nowner = "x"\n'])
def test_a_list_that_cannot_be_used_says_why(tmp_path: Path, text: str) -> None:
    with pytest.raises(KnownFailuresError, match=r"known-failing\.toml"):
        known(tmp_path, text)
