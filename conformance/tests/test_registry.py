"""Every MUST of the contract has a case that decides it and a mutant that breaks it."""

from __future__ import annotations

import pytest

from catenary_conformance.catalogue import all_cases
from catenary_conformance.contract import Contract, Level
from catenary_conformance.faulty.registry import mutants
from catenary_conformance.unreachable import unreachable

CONTRACT = Contract.load()
MUST = {each.id for each in CONTRACT.requirements.values() if each.level is Level.MUST}


@pytest.fixture(scope="module")
def decided() -> set[str]:
    return {each for case in all_cases() for each in case.requirement_ids}


def test_every_must_has_a_case(decided: set[str]) -> None:
    assert not MUST - decided


def test_every_must_has_a_mutant() -> None:
    assert not MUST - {each.requirement for each in mutants().values()}


def test_cases_name_requirements_that_there_are(decided: set[str]) -> None:
    assert not decided - set(CONTRACT.requirements)


def test_every_case_decides_something() -> None:
    assert not [each.name for each in all_cases() if not each.requirement_ids]


def test_names_of_cases_are_unique() -> None:
    names = [each.name for each in all_cases()]
    assert len(names) == len(set(names))


def test_unreachable_codes_are_declared_ones_and_say_why() -> None:
    for (path, code), reason in unreachable().items():
        assert code in CONTRACT.methods[path].codes
        assert reason
