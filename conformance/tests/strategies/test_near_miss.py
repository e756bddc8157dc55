from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from catenary_conformance.contract import Contract, Method
from catenary_conformance.rules import Place
from catenary_conformance.strategies import derive
from catenary_conformance.strategies.builders import BREAKS, REPAIRS
from catenary_conformance.strategies.near_miss import breaks_only, near_misses

if TYPE_CHECKING:
    from catenary_conformance.contract import Rule

CONTRACT = Contract.load()
MANY = 2000


def _one_of_each_kind() -> list[tuple[Method, Rule]]:
    """A rule of each kind, at the RPC where it comes first: `string.max_len` of a field, of an item, of a key."""
    found: dict[tuple[str, Place], tuple[Method, Rule]] = {}
    for method in CONTRACT.methods.values():
        for rule in CONTRACT.rules(method.request):
            if not (isinstance(rule.bound, int) and rule.bound > MANY):
                found.setdefault((rule.id, rule.place), (method, rule))
    return list(found.values())


def _all() -> list[tuple[Method, Rule]]:
    return [(method, rule) for method in CONTRACT.methods.values() for rule in CONTRACT.rules(method.request)]


def _name(value: Method | Rule) -> str:
    return value.name


QUICK = settings(
    max_examples=3, deadline=None, database=None, suppress_health_check=list(HealthCheck), phases=[Phase.generate]
)


@pytest.mark.parametrize(("method", "rule"), _one_of_each_kind(), ids=_name)
@QUICK
@given(data=st.data())
def test_a_near_miss_breaks_its_rule_and_no_other_field(method: Method, rule: Rule, data: st.DataObject) -> None:
    assert breaks_only(data.draw(near_misses(method.request, rule)), rule)


@pytest.mark.slow
@pytest.mark.parametrize(("method", "rule"), _all(), ids=_name)
@QUICK
@given(data=st.data())
def test_every_rule_has_near_misses(method: Method, rule: Rule, data: st.DataObject) -> None:
    assert breaks_only(data.draw(near_misses(method.request, rule)), rule)


@pytest.mark.parametrize("method", CONTRACT.methods.values(), ids=_name)
@settings(max_examples=4, deadline=None, database=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_derived_messages_keep_every_rule(method: Method, data: st.DataObject) -> None:
    assert not CONTRACT.violations(data.draw(derive.messages(method.request)))


def test_every_rule_over_several_fields_can_be_kept_and_broken() -> None:
    expressions = {rule.id for _, rule in _all() if rule.place is Place.MESSAGE}
    assert set(REPAIRS) == expressions
    assert set(BREAKS) == expressions


def test_a_message_that_breaks_another_field_too_is_no_near_miss() -> None:
    method = CONTRACT.method("CreateSession")
    rule = next(each for each in CONTRACT.rules(method.request) if each.name == "request_id:string.pattern")
    both = method.request(request_id="!", device="x" * 33)
    assert breaks_only(method.request(request_id="!"), rule)
    assert not breaks_only(both, rule)
