from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from catenary_conformance.contract import Contract
from catenary_conformance.faulty.messages import UNKNOWN_METHOD, methods
from catenary_conformance.faulty.registry import mutants
from catenary_conformance.levels import Level

if TYPE_CHECKING:
    from catenary_conformance.faulty.mutant import Mutant

LEAST = 56
"""As many violations the design lists."""


def test_every_must_of_the_contract_has_a_mutant() -> None:
    required = {each.id for each in Contract.load().requirements.values() if each.level is Level.MUST}
    assert required - {each.requirement for each in mutants().values()} == set()


def test_every_mutant_breaks_a_requirement_that_there_is() -> None:
    assert {each.requirement for each in mutants().values()} <= set(Contract.load().requirements)


def test_there_are_more_mutants_than_the_design_asks_for() -> None:
    assert len(mutants()) > LEAST


@pytest.mark.parametrize("mutant", mutants().values(), ids=lambda each: each.id)
def test_a_mutant_says_what_it_does_and_touches_methods_of_the_contract(mutant: Mutant) -> None:
    assert mutant.text[0].isupper()
    assert mutant.text.endswith(".")
    assert mutant.methods
    assert mutant.methods <= {*methods(), UNKNOWN_METHOD}
    assert mutant.requirement == "CAT-" + mutant.id[:7].upper()


def test_every_kind_of_field_rule_has_a_mutant() -> None:
    contract = Contract.load()
    rules = {rule.id for method in contract.methods.values() for rule in contract.rules(method.request)}
    in_band = {rule.id for rule in contract.rules(contract.method("StreamTelemetry").request)}
    checked = {name.split("does-not-check-", 1)[1] for name in mutants() if "does-not-check-" in name}
    assert {rule.replace("_", "-") for rule in rules - in_band} <= checked
