"""Whether responses hold what a transcript says that they hold: every field that is written down, and maybe more."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from google.protobuf.message import Message

if TYPE_CHECKING:
    from collections.abc import Sequence


def missing(expected: Sequence[Message], found: Sequence[Message]) -> Message | None:
    """The first of some messages that no other holds behind those that hold the ones before it; None if all are there.

    Args:
        expected: what is written down, in its order.
        found: what came, in its order; messages between those that are expected do no harm.
    """
    rest = iter(found)
    for each in expected:
        if not any(holds(other, each) for other in rest):
            return each
    return None


def holds(found: Message, expected: Message) -> bool:
    """Whether a message has every field that another has set, with the same value; of a list the same, in its order."""
    return all(_same(getattr(found, field.name), value, field) for field, value in expected.ListFields())


def _same(found: Any, expected: Any, field: Any) -> bool:  # noqa: ANN401 - values of any field
    if field.message_type is not None and field.message_type.GetOptions().map_entry:
        return all(key in found and _equal(found[key], value) for key, value in expected.items())
    if field.is_repeated:
        rest = iter(found)
        return all(any(_equal(other, each) for other in rest) for each in expected)
    return _equal(found, expected)


def _equal(found: Any, expected: Any) -> bool:  # noqa: ANN401 - values of any field
    return holds(found, expected) if isinstance(expected, Message) else bool(found == expected)
