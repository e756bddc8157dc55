"""A request that breaks one rule is refused, and the field named: one test for each rule of each RPC."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catenary_conformance.cases.validation.refusals import assert_refused
from catenary_conformance.contract import Contract
from catenary_conformance.intensity import examples
from catenary_conformance.requirement import capability, each_rule, requirement, slow
from catenary_conformance.strategies.near_miss import near_misses

if TYPE_CHECKING:
    from catenary_conformance.contract import Method, Rule
    from catenary_conformance.target import Target

MANY = 2000
"""Elements from which on a message takes its time, to make and to check."""


def _marks(method: Method, rule: Rule) -> list[pytest.MarkDecorator]:
    many = rule.id.endswith("max_items") and rule.bound > MANY
    undefined = [requirement("CAT-ERR-015")] if rule.id.endswith("defined_only") else []
    return [capability(method.capability), *([slow] if many else []), *undefined]


RULES = [
    pytest.param(method, rule, marks=_marks(method, rule), id=f"{method.name}-{rule.name}")
    for method in Contract.load().methods.values()
    if method.name != "StreamTelemetry"  # it refuses single messages in band
    for rule in Contract.load().rules(method.request)
]


@each_rule
@requirement("CAT-ERR-001")
@pytest.mark.parametrize(("method", "rule"), RULES)
@examples(1, shrink=False)
@given(data=st.data())
def test_a_request_that_breaks_a_rule_is_refused(
    target: Target, method: Method, rule: Rule, data: st.DataObject
) -> None:
    request = data.draw(near_misses(method.request, rule))
    assert_refused(target, method, rule, request)
