"""Values of single fields that keep their rules.

Small by default, with a branch of its own for each limit: values of every length would be slow to draw and would hardly
ever reach a limit.
"""

from __future__ import annotations

import re
import string
from typing import TYPE_CHECKING, Any

from google.protobuf.descriptor import FieldDescriptor as Field
from hypothesis import strategies as st

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from google.protobuf.descriptor import EnumDescriptor
    from hypothesis.strategies import SearchStrategy

Rules = dict[str, Any]
"""Rules of one value by their names without the type: `max_len`, `gte`."""

WORD = string.ascii_lowercase + string.digits
_MORE = 8
"""How much longer than its minimum a text or list is, other than at its limit."""
_LARGEST = 5000
"""Longest limit that is tried as a matter of course; beyond it, a case of its own is needed."""

INTEGERS: Mapping[int, tuple[int, int]] = {
    **dict.fromkeys((Field.TYPE_INT32, Field.TYPE_SINT32, Field.TYPE_SFIXED32), (-(2**31), 2**31 - 1)),
    **dict.fromkeys((Field.TYPE_INT64, Field.TYPE_SINT64, Field.TYPE_SFIXED64), (-(2**63), 2**63 - 1)),
    **dict.fromkeys((Field.TYPE_UINT32, Field.TYPE_FIXED32), (0, 2**32 - 1)),
    **dict.fromkeys((Field.TYPE_UINT64, Field.TYPE_FIXED64), (0, 2**64 - 1)),
}
"""Least and greatest value of each integer type."""
FLOATS: Mapping[int, int] = {Field.TYPE_FLOAT: 32, Field.TYPE_DOUBLE: 64}
"""Width of each floating point type in bits."""


def scalar(field: Field, rules: Rules) -> SearchStrategy[Any]:
    """Values of a field, or of an element of it, that is no message."""
    if "in" in rules:
        return st.sampled_from(list(rules["in"]))
    if field.type in INTEGERS:
        return integer(*INTEGERS[field.type], rules)
    if field.type in FLOATS:
        return floating(FLOATS[field.type], rules)
    others: Mapping[int, Callable[[], SearchStrategy[Any]]] = {
        Field.TYPE_ENUM: lambda: enumeration(field.enum_type, rules),
        Field.TYPE_STRING: lambda: text(rules),
        Field.TYPE_BYTES: lambda: octets(rules),
        Field.TYPE_BOOL: st.booleans,
    }
    return others[field.type]()


def enumeration(enum: EnumDescriptor | None, rules: Rules) -> SearchStrategy[int]:
    """Defined values of an enum that are not excluded."""
    excluded = set(rules.get("not_in", ()))
    numbers = [] if enum is None else [value.number for value in enum.values if value.number not in excluded]
    return st.sampled_from(numbers)


def text(rules: Rules) -> SearchStrategy[str]:
    """Texts; where there is a pattern, of letters and digits, which each pattern of the contract admits."""
    least, most = _lengths(rules)
    pattern = rules.get("pattern", "")
    if pattern:
        # Letters and digits alone fit all of them; the empty text those that say so.
        least = max(least, 0 if _admits_empty(pattern) else 1)
        most = min(most, 64)
    word = st.sampled_from(WORD)
    alphabet = word if pattern else st.one_of(word, st.characters(exclude_categories=["Cs"]))
    short = st.text(alphabet, min_size=least, max_size=min(most, least + _MORE))
    drawn: SearchStrategy[str] = short if most > _LARGEST else st.one_of(short, st.just("x" * most))
    return drawn if "max_bytes" not in rules else drawn.filter(lambda each: len(each.encode()) <= rules["max_bytes"])


def octets(rules: Rules) -> SearchStrategy[bytes]:
    """Byte strings."""
    least, most = _lengths(rules)
    return st.binary(min_size=least, max_size=min(most, least + _MORE))


def integer(least: int, greatest: int, rules: Rules) -> SearchStrategy[int]:
    """Integers within the limits, and the limits themselves."""
    least = max(least, rules.get("gte", least), rules.get("gt", least - 1) + 1)
    greatest = min(greatest, rules.get("lte", greatest), rules.get("lt", greatest + 1) - 1)
    return st.one_of(st.integers(least, min(greatest, least + 100)), st.sampled_from([least, greatest]))


def floating(width: int, rules: Rules) -> SearchStrategy[float]:
    """Finite numbers within the limits."""
    least, greatest = rules.get("gte", rules.get("gt", -1e6)), rules.get("lte", rules.get("lt", 1e6))
    return st.floats(
        least,
        greatest,
        width=width,  # type: ignore[arg-type] # 32 or 64
        allow_nan=False,
        allow_infinity=False,
        allow_subnormal=False,
        exclude_min="gt" in rules,
        exclude_max="lt" in rules,
    )


def seconds(rules: Rules) -> SearchStrategy[float]:
    """Durations, in seconds."""
    least, greatest = _seconds(rules, ("gte", "gt"), 0.0), _seconds(rules, ("lte", "lt"), 60.0)
    inside = st.floats(least, greatest, exclude_min="gt" in rules, exclude_max="lt" in rules)
    return inside.map(lambda each: max(round(each, 3), 0.001 if "gt" in rules else 0.0))


def limits(rules: Rules, names: Sequence[str]) -> Any:  # noqa: ANN401 - of the field's own type
    """The first of the limits that a field has; None where it has none of them."""
    return next((rules[name] for name in names if name in rules), None)


def _seconds(rules: Rules, names: Sequence[str], default: float) -> float:
    found = limits(rules, names)
    return default if found is None else found.seconds + found.nanos / 1e9


def _lengths(rules: Rules) -> tuple[int, int]:
    exact: int | None = rules.get("len", rules.get("len_bytes"))
    if exact is not None:
        return exact, exact
    least = int(rules.get("min_len") or rules.get("min_bytes") or 0)
    most: int | None = limits(rules, ("max_len", "max_bytes"))
    return least, least + _MORE if most is None else most


def _admits_empty(pattern: str) -> bool:
    return re.search(pattern, "") is not None
