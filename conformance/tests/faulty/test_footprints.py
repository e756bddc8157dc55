from __future__ import annotations

from typing import TYPE_CHECKING

from catenary_conformance.faulty.footprints import BEFORE, NEARBY, Footprints
from catenary_conformance.faulty.registry import mutants
from catenary_conformance.faulty.trial import AREAS

if TYPE_CHECKING:
    from pathlib import Path

CLOSING = mutants()["ses-007-closes-once"]
TOUCHED = {"closes": frozenset(CLOSING.methods), "else": frozenset({"/other"})}


def test_a_mutant_is_tried_on_the_cases_that_call_one_of_its_methods() -> None:
    footprints = Footprints()
    footprints.add("SES", TOUCHED)
    footprints.add("TRN", {"trains": frozenset({*CLOSING.methods, "/other"})})
    assert footprints.cases_of(CLOSING) == ["closes", "trains"]


def test_what_a_run_calls_as_it_begins_concerns_every_case() -> None:
    footprints = Footprints()
    footprints.add("SES", {BEFORE: frozenset(CLOSING.methods), "else": frozenset({"/other"})})
    footprints.add("TRN", {BEFORE: frozenset(CLOSING.methods), "more": frozenset({"/other"})})
    assert footprints.cases_of(CLOSING) == ["else", "more"]


def test_a_path_that_the_contract_does_not_have_is_a_method_too() -> None:
    footprints = Footprints()
    footprints.add("ERR", TOUCHED)
    assert footprints.cases_of(mutants()["err-014-answers-anything"]) == ["else"]


def test_what_shows_on_the_socket_only_is_tried_there_only() -> None:
    near = next(each for each in mutants().values() if each.near)
    footprints = Footprints()
    footprints.add("SES", {"far": frozenset(near.methods)})
    footprints.add(NEARBY, {"near": frozenset(near.methods)})
    assert footprints.cases_of(near) == ["near"]


def test_areas_that_are_known_are_not_missing_in_the_next_piece(tmp_path: Path) -> None:
    file = tmp_path / "calls.json"
    assert set(Footprints(file).missing) == {*AREAS, NEARBY}
    Footprints(file).add("SES", TOUCHED)
    later = Footprints(file)
    assert set(later.missing) == {*AREAS, NEARBY} - {"SES"}
    assert later.cases_of(CLOSING) == ["closes"]
