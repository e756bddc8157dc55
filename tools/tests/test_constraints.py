from __future__ import annotations

import pytest

from catenary_tools.constraints import (
    BOTH,
    AtMostOne,
    Bound,
    Choice,
    Constraint,
    Direction,
    Exactly,
    Ignored,
    Pattern,
    Property,
)

NARROWED, WIDENED = Direction.NARROWED, Direction.WIDENED
AT_MOST_5, BELOW_5 = Bound((5, 0), inclusive=True, above=True), Bound((5, 0), inclusive=False, above=True)
AT_LEAST_5, ABOVE_5 = Bound((5, 0), inclusive=True, above=False), Bound((5, 0), inclusive=False, above=False)


@pytest.mark.parametrize(
    ("before", "after", "direction"),
    [
        (AT_MOST_5, BELOW_5, NARROWED),
        (BELOW_5, AT_MOST_5, WIDENED),
        (AT_LEAST_5, ABOVE_5, NARROWED),
        (ABOVE_5, AT_LEAST_5, WIDENED),
        (AT_MOST_5, Bound((5, 1), inclusive=True, above=True), WIDENED),
        (Choice(frozenset({1}), allowed=True), Choice(frozenset({1, 2}), allowed=True), WIDENED),
        (Choice(frozenset({1}), allowed=False), Choice(frozenset({1, 2}), allowed=False), NARROWED),
        (Choice(frozenset({1}), allowed=True), Choice(frozenset({2}), allowed=True), BOTH),
        (Pattern("a"), Pattern("b"), BOTH),
        (Exactly(1, of_size=False), Exactly(2, of_size=False), BOTH),
        (Property("prefix", "a"), Property("prefix", "b"), BOTH),
        (Ignored(1), Ignored(3), WIDENED),
        (Ignored(3), Ignored(1), NARROWED),
        (AtMostOne(required=False), AtMostOne(required=True), NARROWED),
        (AtMostOne(required=True), AtMostOne(required=False), WIDENED),
        (AT_MOST_5, Pattern("a"), BOTH),
    ],
    ids=str,
)
def test_a_constraint_knows_which_way_it_moves(before: Constraint, after: Constraint, direction: Direction) -> None:
    assert before.move_to(after) == direction


@pytest.mark.parametrize(
    ("constraint", "zero"),
    [
        (AT_LEAST_5, 0),
        (Bound((0, 0), inclusive=False, above=False), 0),
        (Bound((0, 0), inclusive=False, above=True), 0),
        (Bound((-1, 0), inclusive=True, above=True), 0),
        (Choice(frozenset({"a"}), allowed=True), ""),
        (Choice(frozenset({0}), allowed=False), 0),
        (Pattern("^a"), ""),
        (Exactly("a", of_size=False), ""),
        (Exactly(3, of_size=True), ""),
        (Property("email", argument=True), ""),
        (AtMostOne(required=True), 0),
    ],
    ids=str,
)
def test_a_constraint_refuses_zero(constraint: Constraint, zero: int | str) -> None:
    assert constraint.refuses(zero)


@pytest.mark.parametrize(
    ("constraint", "zero"),
    [
        (AT_MOST_5, 0),
        (Bound((0, 0), inclusive=True, above=False), 0),
        (Choice(frozenset({"a", ""}), allowed=True), ""),
        (Choice(frozenset({1}), allowed=False), 0),
        (Pattern("^a*$"), ""),
        (Exactly(0, of_size=True), ""),
        (Property("unique", argument=True), 0),
        (Ignored(1), 0),
        (AtMostOne(required=False), 0),
    ],
    ids=str,
)
def test_a_constraint_lets_zero_pass(constraint: Constraint, zero: int | str) -> None:
    assert not constraint.refuses(zero)


@pytest.mark.parametrize(
    ("constraint", "text"),
    [
        (AT_MOST_5, "<= 5"),
        (ABOVE_5, "> 5"),
        (Bound((5, 7), inclusive=True, above=False), ">= (5, 7)"),
        (Choice(frozenset({"b", "a"}), allowed=True), "{a, b}"),
        (AtMostOne(required=True), "exactly one"),
    ],
)
def test_a_constraint_is_shown_as_people_write_it(constraint: Constraint, text: str) -> None:
    assert str(constraint) == text
