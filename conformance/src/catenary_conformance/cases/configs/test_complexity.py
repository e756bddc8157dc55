"""A configuration that expands without measure is refused before it costs much."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from catenary_conformance.requirement import requirement

if TYPE_CHECKING:
    from collections.abc import Callable

    from catenary_conformance.cases.configs.conftest import Resolver
    from catenary_conformance.target import Target

_SECONDS = 2.0
_BUSY = 4
"""Times that a plain configuration takes now, granted besides: on a busy machine that is long as well."""
_TRIES = 3
"""A machine may be busy for a moment; a server that is slow is slow each time."""
_DOUBLINGS = 40


def _doubling() -> tuple[str, ...]:
    """Forty keys of which each holds the one before twice: 10 TB when it is written out."""
    return ("+tags.a0=xxxxxxxxxx", *(f"+tags.a{i}=${{tags.a{i - 1}}}${{tags.a{i - 1}}}" for i in range(1, _DOUBLINGS)))


@requirement("CAT-CFG-009")
@pytest.mark.parametrize(
    "overrides",
    [_doubling(), ("name=" + "[" * 1500 + "]" * 1500,), ("+x=" + "{a:" * 1000 + "1" + "}" * 1000,)],
    ids=["doubling", "nested-lists", "nested-objects"],
)
def test_what_expands_without_measure_is_refused_within_two_seconds(
    target: Target, resolver: Resolver, overrides: tuple[str, ...]
) -> None:
    tries = []
    for _ in range(_TRIES):
        plain = _seconds_of(resolver.resolve)
        took = _seconds_of(lambda: resolver.refused(*overrides, reason="CONFIG_TOO_COMPLEX"))
        if took <= target.seconds(_SECONDS) + _BUSY * plain:
            return
        tries.append(f"it took {took:.1f} s, a plain one {plain:.1f} s")
    pytest.fail("; ".join(tries))


def _seconds_of(call: Callable[[], object]) -> float:
    began = time.monotonic()
    call()
    return time.monotonic() - began
