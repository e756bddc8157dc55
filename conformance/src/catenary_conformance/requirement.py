"""`@requirement("CAT-SES-004")`: what a case decides. And the other marks of cases."""

from __future__ import annotations

import pytest

MARK = "requirement"
MARKERS = (
    "requirement(*ids): the requirements of the contract that a conformance case decides",
    "capability(*names): what the target has to claim, besides the capabilities of the case's requirements",
    "destructive: can take the target down or fill it up; runs with --destructive",
    "slow: takes long; of the conformance suite: more than about two seconds, runs last, while the budget lasts",
    "needs_two_tenants: needs the token of a second principal",
    "needs_gpu: needs a target with an accelerator",
    "each_rule: one of a case for each rule of the contract, of which the budget leaves out none",
    "alone: looks at what the callers of a target share, or fills it; no other case runs meanwhile",
)
"""The marks of cases and what they mean."""


def requirement(*ids: str) -> pytest.MarkDecorator:
    """Mark a case with the requirements that it decides: one, or several that one exchange decides together.

    Raises:
        ValueError: no id is given.
    """
    if not ids:
        raise ValueError("a case decides at least one requirement")
    return pytest.mark.requirement(*ids)


def capability(*names: str) -> pytest.MarkDecorator:
    """Mark a case that needs more capabilities than those of the RPCs that its requirements stand with."""
    return pytest.mark.capability(*names)


destructive = pytest.mark.destructive
slow = pytest.mark.slow
needs_two_tenants = pytest.mark.needs_two_tenants
needs_gpu = pytest.mark.needs_gpu
alone = pytest.mark.alone
each_rule = pytest.mark.each_rule


def requirement_ids(item: pytest.Item) -> tuple[str, ...]:
    """The requirements that a collected case decides, without repetition, as its marks have them."""
    found = [str(each) for mark in item.iter_markers(MARK) for each in mark.args]
    return tuple(dict.fromkeys(found))


def capability_names(item: pytest.Item) -> tuple[str, ...]:
    """The capabilities that a collected case needs by its own word."""
    found = [str(each) for mark in item.iter_markers("capability") for each in mark.args]
    return tuple(dict.fromkeys(found))


def is_random(item: pytest.Item) -> bool:
    """Whether Hypothesis draws the examples of a case."""
    return bool(getattr(getattr(item, "obj", None), "is_hypothesis_test", False))


def is_enumerated(item: pytest.Item) -> bool:
    """Whether a case belongs to a list that is tried as a whole, however long it takes."""
    if item.get_closest_marker("each_rule") is not None:
        return True
    return item.get_closest_marker("slow") is None and not is_random(item)
