"""Faults of field rules: one for each kind of rule that the contract has, which one RPC does not check."""

from __future__ import annotations

from typing import TYPE_CHECKING

import hypothesis

from catenary_conformance.contract import Contract
from catenary_conformance.faulty.behaviours import request_for
from catenary_conformance.faulty.exchange import Answer, answered, ended
from catenary_conformance.faulty.mutant import mutant
from catenary_conformance.strategies.near_miss import near_misses

if TYPE_CHECKING:
    from collections.abc import Iterator

    from google.protobuf.message import Message
    from hypothesis.strategies import SearchStrategy

    from catenary_conformance.contract import Method, Rule
    from catenary_conformance.faulty.exchange import Behaviour, Exchange, Forward
    from catenary_conformance.faulty.mutant import Mutant, Witness
    from catenary_conformance.faulty.stand import Stand

_IN_BAND = "StreamTelemetry"  # tells what is wrong with a message in band
_SIZE_LIMIT = 1 << 20  # bytes of a message that carries no tensors
_SOME = hypothesis.settings(
    max_examples=10,
    database=None,
    deadline=None,
    derandomize=True,
    phases=[hypothesis.Phase.generate],
    suppress_health_check=list(hypothesis.HealthCheck),
)
"""The first request that is drawn is good enough, and the same each time: nothing is shrunk."""


def does_not_check(method: Method, rule: Rule) -> Behaviour:
    """A request that breaks this rule is answered OK, with an empty message."""

    def behaviour(exchange: Exchange, forward: Forward) -> Answer:
        request = exchange.first()
        contents, status = ended(forward(exchange))
        if status.reason != "FIELD_INVALID":
            return Answer(iter(contents), lambda: status)
        broken = Contract.load().violations(method.request.FromString(request.SerializeToString()))
        if any(rule.same_kind(each) for each in broken):
            return answered(exchange.response())
        return Answer(iter(contents), lambda: status)

    return behaviour


def breaking(method: Method, rule: Rule) -> Witness:
    """A witness: what is said to a request that breaks the rule."""

    def witness(stand: Stand) -> object:
        request = _first(near_misses(method.request, rule))
        return stand.call(method.name, request_for(method.path).FromString(request.SerializeToString())).outcome

    return witness


def _first(requests: SearchStrategy[Message]) -> Message:
    """The first request that is drawn; not by `find`, which describes what it found, at great length."""
    drawn: list[Message] = []

    @_SOME
    @hypothesis.given(requests)
    def draw(request: Message) -> None:
        drawn.append(request)

    draw()
    return drawn[0]


def _examples() -> Iterator[tuple[Method, Rule]]:
    """Of each kind of rule one that an RPC has, if possible one without streams."""
    methods = sorted(
        Contract.load().methods.values(), key=lambda each: (each.client_streaming, each.server_streaming, each.path)
    )
    seen = set()
    for method in methods:
        for rule in Contract.load().rules(method.request) if method.name != _IN_BAND else ():
            if rule.id not in seen and not _too_large(rule):
                seen.add(rule.id)
                yield method, rule


def _too_large(rule: Rule) -> bool:
    """Whether a request that breaks the rule is refused for its size before anybody looks at its fields."""
    return isinstance(rule.bound, int) and rule.bound >= _SIZE_LIMIT and rule.id.endswith(("max_len", "max_bytes"))


def _mutant(method: Method, rule: Rule) -> Mutant:
    return mutant(
        "ERR-015" if rule.id.endswith("defined_only") else "ERR-001",
        f"does-not-check-{rule.id.replace('_', '-')}",
        method.name,
        f"{method.name} does not check {rule.name}.",
        does_not_check(method, rule),
        breaking(method, rule),
    )


MUTANTS = tuple(_mutant(method, rule) for method, rule in _examples())
