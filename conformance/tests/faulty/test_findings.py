from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING

from catenary_conformance.faulty.findings import Finding, Findings, found
from catenary_conformance.faulty.trial import Result

if TYPE_CHECKING:
    from pathlib import Path

SEEN = Finding(
    mutant="ses-007-closes-once",
    requirement="CAT-SES-007",
    live=True,
    case="sessions/test_session_close::test_closing_again_succeeds",
    first_failing=("CAT-SES-007",),
    confirmed=True,
    detail="refused",
    cases=3,
    seconds=0.5,
    events=2,
)


def test_a_finding_is_known_in_the_next_piece(tmp_path: Path) -> None:
    Findings(tmp_path / "found.json").add(SEEN)
    later = Findings(tmp_path / "found.json")
    assert "ses-007-closes-once" in later
    assert "ses-008" not in later
    assert later["ses-007-closes-once"] == SEEN


def test_a_finding_takes_the_place_of_the_one_before(tmp_path: Path) -> None:
    findings = Findings(tmp_path / "found.json")
    findings.add(SEEN)
    findings.add(dataclasses.replace(SEEN, confirmed=False))
    assert not Findings(tmp_path / "found.json")[SEEN.mutant].caught


def test_campaigns_that_run_at_the_same_time_share_a_file(tmp_path: Path) -> None:
    first, second = Findings(tmp_path / "found.json"), Findings(tmp_path / "found.json")
    first.add(SEEN)
    second.add(dataclasses.replace(SEEN, mutant="ses-001-other"))
    entries = json.loads((tmp_path / "found.json").read_text())
    assert [each["mutant"] for each in entries] == ["ses-001-other", "ses-007-closes-once"]


def test_without_a_file_findings_are_known_in_this_campaign() -> None:
    findings = Findings()
    findings.add(SEEN)
    assert findings[SEEN.mutant] is SEEN


def test_a_mutant_is_caught_by_a_case_that_passes_on_the_good_server() -> None:
    assert SEEN.caught
    assert not dataclasses.replace(SEEN, confirmed=False).caught
    assert not dataclasses.replace(SEEN, case="").caught


def test_a_fault_is_localised_by_a_case_of_its_requirement() -> None:
    assert SEEN.localised
    assert dataclasses.replace(SEEN, first_failing=("CAT-SES-001", "CAT-SES-007")).localised
    assert not dataclasses.replace(SEEN, first_failing=("CAT-SES-001",)).localised


def test_a_finding_says_what_was_seen_in_a_line() -> None:
    result = Result(
        cases=2,
        failed="a::b",
        requirements=("CAT-SES-007",),
        detail=f"AssertionError: {'x' * 500}\nfile.py:12",
        seconds=1.234,
        touched={},
        events=4,
    )
    finding = found("ses-007-closes-once", "CAT-SES-007", result, live=True, confirmed=True)
    assert finding.detail.startswith("AssertionError: xx")
    assert len(finding.detail) == 200
    assert (finding.seconds, finding.events, finding.area) == (1.23, 4, "SES")
