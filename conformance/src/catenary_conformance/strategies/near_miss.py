"""Messages that break exactly one rule.

Whether one does is asked of the reference validator, not concluded from how it was made: a text may be too long and
break the pattern with it.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from google.protobuf import duration_pb2
from google.protobuf.descriptor import FieldDescriptor as Field
from hypothesis import assume
from hypothesis import strategies as st

from catenary_conformance.contract import Contract
from catenary_conformance.rules import Place, Rule
from catenary_conformance.strategies import derive
from catenary_conformance.strategies.builders import BREAKS
from catenary_conformance.strategies.values import FLOATS

if TYPE_CHECKING:
    from google.protobuf.message import Message
    from hypothesis.strategies import DrawFn, SearchStrategy

    from catenary_conformance.strategies.derive import FieldRules

_UNDEFINED = (4711, -1)
"""Numbers that no enum of the contract has."""
_CHARACTERS = ("!", " ", "\n", "\x00", "\u00e9")
"""Characters that no pattern of the contract admits at the end of a text. Not every engine sees the line feed."""


def near_misses(kind: type[Message], rule: Rule) -> SearchStrategy[Any]:
    """Messages of a type that break the rule and none of another field; see `breaks_only`."""
    return _near_misses(kind, rule)


def breaks_only(message: Message, rule: Rule) -> bool:
    """Whether a message breaks a rule and none of another field.

    A rule over several fields may be broken with it: the end of a gap cannot be zero and behind its start.
    """
    found = Contract.load().violations(message)
    return any(rule.same_kind(each) for each in found) and all(_beside(rule, each) for each in found)


def _beside(rule: Rule, other: Rule) -> bool:
    return other.field == rule.field or (other.place is Place.MESSAGE and rule.field.startswith(other.field))


@st.composite
def _near_misses(draw: DrawFn, kind: type[Message], rule: Rule) -> Message:
    message: Message = draw(derive.messages(kind, depth=1))
    whole = rule.place is Place.MESSAGE
    steps = rule.field.split(".") if rule.field else []
    holder = reach(draw, message, steps if whole else steps[:-1])
    if whole:
        BREAKS[rule.id](draw, holder)
    elif rule.place is Place.ONEOF:
        holder.ClearField(holder.WhichOneof(steps[-1]) or "")
    else:
        _break_field(draw, holder, derive.descriptor_of(holder).fields_by_name[steps[-1]], rule)
    assume(breaks_only(message, rule))
    return message


def reach(draw: DrawFn, message: Message, steps: list[str]) -> Any:  # noqa: ANN401 - a message on the way
    """The message at a path, made where it was not there; of a list or a map, its first element."""
    for name in steps:
        field = derive.descriptor_of(message).fields_by_name[name]
        rules = derive.rules_of(derive.descriptor_of(message)).of(field)
        held: Any = getattr(message, name)
        if derive.is_map(field):
            if not held:
                derive.put(message, field, draw(derive.map_key(field, rules)), draw(derive.map_value(field, rules, 1)))
            message = held[min(held)]
        elif field.is_repeated:
            if not held:
                held.append(draw(derive.element(field, rules)))
            message = held[0]
        else:
            if not message.HasField(name):
                derive.fill(draw, message, field, rules, 1)
            message = getattr(message, name)
    return message


def _break_field(draw: DrawFn, message: Message, field: Field, rule: Rule) -> None:
    rules = derive.rules_of(derive.descriptor_of(message)).of(field)
    kind = rule.id.rpartition(".")[2]
    if rule.place in {Place.KEY, Place.VALUE}:
        _break_entry(draw, message, field, rules, rule)
    elif rule.place is Place.ITEM:
        elements = getattr(message, field.name)
        broken = draw(st.sampled_from(_broken(field, kind, rule.bound)))
        if elements and len(elements) >= rules.own.get("max_items", math.inf):
            elements.pop()
        elements.append(broken)
    elif kind == "required":
        message.ClearField(field.name)
    elif field.is_repeated:
        _break_collection(draw, message, field, rules, kind)
    else:
        broken = draw(st.sampled_from(_broken(field, kind, rule.bound)))
        if field.message_type is None:
            setattr(message, field.name, broken)
        else:
            getattr(message, field.name).CopyFrom(broken)
            getattr(message, field.name).SetInParent()


def _break_entry(draw: DrawFn, message: Message, field: Field, rules: FieldRules, rule: Rule) -> None:
    kind = rule.id.rpartition(".")[2]
    entry = field.message_type
    if entry is None:
        raise TypeError(f"{field.full_name} is no map")
    message.ClearField(field.name)
    key, value = draw(derive.map_key(field, rules)), draw(derive.map_value(field, rules))
    if rule.place is Place.KEY:
        key = draw(st.sampled_from(_broken(entry.fields_by_name["key"], kind, rule.bound)))
    else:
        value = draw(st.sampled_from(_broken(entry.fields_by_name["value"], kind, rule.bound)))
    derive.put(message, field, key, value)


def _break_collection(draw: DrawFn, message: Message, field: Field, rules: FieldRules, kind: str) -> None:
    """Too few, too many, or the same twice."""
    elements: Any = getattr(message, field.name)
    if kind in {"min_items", "min_pairs"}:
        message.ClearField(field.name)
    elif kind == "unique":
        repeated = elements[0] if elements else draw(derive.element(field, rules))
        elements.extend([repeated] if elements else [repeated, repeated])
    elif derive.is_map(field):
        value = draw(derive.map_value(field, rules))
        for number in range(rules.own["max_pairs"] + 1):
            derive.put(message, field, f"key{number}", value)
    else:
        _overfill(draw, message, field, rules)


def _overfill(draw: DrawFn, message: Message, field: Field, rules: FieldRules) -> None:
    """One element too many: different ones, where they have to be."""
    elements: Any = getattr(message, field.name)
    missing = rules.own["max_items"] + 1 - len(elements)
    if field.type == Field.TYPE_STRING:
        elements.extend([f"element{number}" for number in range(missing)])
        return
    elements.extend([draw(derive.element(field, rules))] * missing)
    if field.message_type is not None and "path" in field.message_type.fields_by_name:
        for number, each in enumerate(elements):
            each.path = f"file{number}"


def _broken(field: Field, kind: str, bound: Any) -> list[Any]:  # noqa: ANN401 - of the field's type
    """Values that break a rule, the nearest first."""
    if field.message_type is not None:
        return [_duration(each) for each in _beyond(kind, bound.seconds * 1000 + bound.nanos // 1_000_000, 1)]
    if field.type == Field.TYPE_STRING:
        return _broken_text(kind, bound)
    if field.type == Field.TYPE_BYTES:
        return [bytes(each) for each in _beyond(kind, bound, 1)]
    return _broken_number(field, kind, bound)


def _broken_number(field: Field, kind: str, bound: Any) -> list[Any]:  # noqa: ANN401 - a number or a list of them
    if kind == "defined_only":
        return list(_UNDEFINED)
    if kind == "not_in":
        return list(bound)
    if kind == "in":
        return _not_listed(field, list(bound))
    if kind == "finite":
        return [math.nan, math.inf, -math.inf]
    if field.type in FLOATS:
        return [*_beyond(kind, bound, 1e-3), *_beyond(kind, bound, 10.0)]
    return _beyond(kind, int(bound), 1)


def _beyond(kind: str, bound: Any, step: Any) -> list[Any]:  # noqa: ANN401 - numbers of one type
    """Numbers on the wrong side of a bound."""
    if kind in {"gte", "min_len", "min_bytes"}:
        return [bound - step]
    if kind == "len":
        return [bound - step, bound + step]
    if kind in {"gt", "lt"}:
        return [bound, bound - step if kind == "gt" else bound + step]
    return [bound + step]


def _broken_text(kind: str, bound: Any) -> list[str]:  # noqa: ANN401 - a length, a pattern or a list
    if kind == "in":
        return ["conformance", f"{bound[-1]}x"]
    if kind in {"min_len", "min_bytes"}:
        return ["x" * (bound - 1)]
    if kind == "max_bytes":
        return ["x" * (bound + 1), "\u00e9" * (bound // 2 + 1)]
    if kind == "max_len":
        return ["x" * (bound + 1), "\u00e9" * (bound + 1)]
    if kind == "pattern":
        return [f"x{character}" for character in _CHARACTERS] + ["", "x" * 200, "-x"]
    raise KeyError(f"no text is known that breaks {kind}")


def _not_listed(field: Field, listed: list[int]) -> list[int]:
    if field.enum_type is not None:
        return [value.number for value in field.enum_type.values if value.number not in listed]
    return [max(listed) + 1, 2]


def _duration(milliseconds: int) -> duration_pb2.Duration:
    found = duration_pb2.Duration()
    found.FromMilliseconds(milliseconds)
    return found
