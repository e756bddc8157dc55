"""How many examples random cases try: as many as they say in the default budget, more in a larger one."""

from __future__ import annotations

from hypothesis import Phase, settings

STEP_SECONDS = 300.0
"""A budget has to be larger than this for cases to try more: a slow target needs the time for what they try anyway."""
_MOST = 10.0
_ALL = (Phase.explicit, Phase.generate, Phase.shrink)
_factor = [1.0]


def set_budget(seconds: float) -> None:
    """Let the cases that are imported from now on try as much as fits into a budget; never less than by default."""
    _factor[0] = min(max(seconds / STEP_SECONDS, 1.0), _MOST)


def scaled(count: int) -> int:
    """A number of examples in the budget of this run."""
    return round(count * _factor[0])


def examples(count: int, *, steps: int = 50, shrink: bool = True) -> settings:
    """Let a random case try so many examples in the default budget.

    Args:
        count: examples.
        steps: most steps of an example of a state machine.
        shrink: whether a failing example is made smaller; not where it is drawn small.
    """
    phases = _ALL if shrink else _ALL[:-1]
    return settings(max_examples=scaled(count), stateful_step_count=steps, phases=phases)
