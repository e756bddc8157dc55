"""Compares the protovalidate rules of two versions of a field, a oneof or a message.

Rules are flattened to constraints by path, such as ``repeated.items.string.max_len``, and compared one by one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

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
    Value,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from google.protobuf.descriptor import FieldDescriptor
    from google.protobuf.message import Message

# Each with the path it shares with its other form, whether it includes its value, and whether it bounds from above.
_BOUNDS = {
    "lt": ("upper", False, True),
    "lte": ("upper", True, True),
    "gt": ("lower", False, False),
    "gte": ("lower", True, False),
} | {f"max_{size}": (f"max_{size}", True, True) for size in ("len", "bytes", "items", "pairs")}
_BOUNDS |= {f"min_{size}": (f"min_{size}", True, False) for size in ("len", "bytes", "items", "pairs")}
_CHOICES = {"in": True, "not_in": False}
_EXACT = {"const": False, "len": True, "len_bytes": True}
_WITHOUT_MEANING = frozenset({"example"})
_OF_ELEMENTS = re.compile(r"^(repeated\.items|map\.keys|map\.values)\.")
_ZEROS: Mapping[str, Value] = {"string": "", "bytes": b""}


@dataclass(frozen=True)
class RuleChange:
    """One constraint that differs: its path, the way it moved, and both versions as text."""

    path: str
    direction: Direction
    before: str
    after: str

    def __str__(self) -> str:
        """Say what changed, for people."""
        return f"rule {self.path}: {self.before} -> {self.after}"


def compare(old: Message | None, new: Message | None) -> list[RuleChange]:
    """Return what changed from the rules ``old`` to ``new``; None stands for no rules at all."""
    before, after = constraints(old), constraints(new)
    changed = [path for path in sorted(before.keys() | after.keys()) if before.get(path) != after.get(path)]
    return [
        RuleChange(path, _direction(path, before, after), str(before.get(path)), str(after.get(path)))
        for path in changed
    ]


def refuses_absence(rules: Message | None, *, has_presence: bool) -> bool:
    """Tell whether a message without a value for the field breaks the field's ``rules``.

    A field without presence is judged by its zero value, unless the rules ignore that. A rule written as an expression,
    which is not evaluated here, counts as refusing.
    """
    found = constraints(rules)
    if "required" in found:
        return True
    if has_presence or "ignore" in found:
        return False
    return any(
        constraint.refuses(_ZEROS.get(path.partition(".")[0], 0))
        for path, constraint in found.items()
        if not _OF_ELEMENTS.match(path)
    )


def constraints(rules: Message | None) -> dict[str, Constraint]:
    """Flatten ``rules`` to constraints by path; what constrains nothing is left out."""
    return {} if rules is None else dict(_flatten(rules, ""))


def _flatten(rules: Message, prefix: str) -> Iterator[tuple[str, Constraint]]:
    for field, value in rules.ListFields():
        if field.name in _WITHOUT_MEANING or value is False:
            continue
        if field.name in {"cel", "cel_expression"}:
            yield from _expressions(f"{prefix}{field.name}", value)
        elif field.name == "oneof" and field.is_repeated:
            for group in value:
                yield f"{prefix}oneof.{','.join(sorted(group.fields))}", AtMostOne(group.required)
        elif _holds_rules(field):
            yield from _flatten(value, f"{prefix}{field.name}.")
        else:
            yield _constraint(field, prefix, value)


def _holds_rules(field: FieldDescriptor) -> bool:
    return field.message_type is not None and field.message_type.full_name.startswith("buf.validate.")


def _expressions(path: str, values: Any) -> Iterator[tuple[str, Constraint]]:  # noqa: ANN401 - strings or messages
    for rule in values:
        if isinstance(rule, str):
            yield f"{path}.{rule}", Property("cel", rule)
        else:
            yield f"{path}.{rule.id}", Property("cel", rule.expression)


def _constraint(field: FieldDescriptor, prefix: str, value: Any) -> tuple[str, Constraint]:  # noqa: ANN401 - any field
    name = field.name
    if name in _BOUNDS:
        shared, inclusive, above = _BOUNDS[name]
        plain = _plain(value)
        pair = plain if isinstance(plain, tuple) else (cast("float", plain), 0)
        return f"{prefix}{shared}", Bound(pair, inclusive, above)
    if name in _CHOICES:
        return f"{prefix}{name}", Choice(frozenset(map(_plain, value)), _CHOICES[name])
    if name in _EXACT:
        return f"{prefix}{name}", Exactly(_plain(value), _EXACT[name])
    if name == "pattern" and isinstance(value, str):
        return f"{prefix}{name}", Pattern(value)
    if name == "ignore":
        return f"{prefix}{name}", Ignored(value)
    return f"{prefix}{name}", Property(name, tuple(map(str, value)) if field.is_repeated else _plain(value))


def _plain(value: Any) -> Value:  # noqa: ANN401 - a scalar, or a message of the image's pool
    descriptor = getattr(value, "DESCRIPTOR", None)
    if descriptor is None:
        return cast("Value", value)
    if {"seconds", "nanos"} <= set(descriptor.fields_by_name):
        return value.seconds, value.nanos
    return cast("bytes", value.SerializeToString(deterministic=True))


def _direction(path: str, before: Mapping[str, Constraint], after: Mapping[str, Constraint]) -> Direction:
    old, new = before.get(path), after.get(path)
    if _excludes_the_middle(path, before) or _excludes_the_middle(path, after):
        return BOTH
    if old is not None and new is not None:
        return old.move_to(new)
    if new is not None:
        return new.when_added
    return BOTH ^ old.when_added if old is not None else BOTH


def _excludes_the_middle(path: str, found: Mapping[str, Constraint]) -> bool:
    # With a lower bound above the upper one, protovalidate accepts what lies outside the two.
    prefix, _, name = path.rpartition(".")
    if name not in {"lower", "upper"}:
        return False
    lower, upper = found.get(f"{prefix}.lower"), found.get(f"{prefix}.upper")
    return isinstance(lower, Bound) and isinstance(upper, Bound) and lower.value > upper.value
