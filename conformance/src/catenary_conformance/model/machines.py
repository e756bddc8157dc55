"""Runs state machines that hold the target against a model."""

from __future__ import annotations

from typing import TYPE_CHECKING

import hypothesis
from hypothesis.stateful import RuleBasedStateMachine, get_state_machine_test

from catenary_conformance.intensity import examples

if TYPE_CHECKING:
    from collections.abc import Callable


def check_machine(machine: Callable[[], RuleBasedStateMachine], *, seed: int, count: int, steps: int) -> None:
    """Let a state machine take drawn steps, until one fails or enough were taken.

    Args:
        machine: makes one, for each example.
        seed: of what is drawn.
        count: examples in the default budget.
        steps: steps of one example, at most.

    Raises:
        AssertionError: the target did not do what the model says; with the shortest steps that show it.
    """
    test = get_state_machine_test(machine, settings=examples(count, steps=steps))  # type: ignore[arg-type] # any factory
    hypothesis.seed(seed)(test)()
