"""How many examples random cases try: as many as they say in the default budget, more in a larger one."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, TypeVar

from hypothesis import Phase, settings

if TYPE_CHECKING:
    from collections.abc import Callable

F = TypeVar("F", bound="Callable[..., object]")

VARIABLE = "CATENARY_CONFORMANCE_INTENSITY"
"""What numbers of examples are multiplied by; the command line sets it from the budget."""


_ALL = (Phase.explicit, Phase.generate, Phase.shrink)


def examples(count: int, *, steps: int = 50, shrink: bool = True) -> Callable[[F], F]:
    """Let a random case try so many examples in the default budget.

    Args:
        count: examples.
        steps: most steps of an example of a state machine.
        shrink: whether a failing example is made smaller; not where it is drawn small.
    """
    phases = _ALL if shrink else _ALL[:-1]
    return settings(max_examples=scaled(count), stateful_step_count=steps, phases=phases)


def scaled(count: int) -> int:
    """A number of examples in the budget of this run."""
    return max(1, round(count * float(os.environ.get(VARIABLE, "1"))))
