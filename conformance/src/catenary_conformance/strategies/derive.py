"""Valid messages of any type of the contract, from its descriptor and rules."""

from __future__ import annotations

import dataclasses
import functools
from typing import TYPE_CHECKING, Any, cast

from google.protobuf import duration_pb2, timestamp_pb2
from google.protobuf.message_factory import GetMessageClass
from hypothesis import strategies as st

from catenary_conformance.contract import Contract
from catenary_conformance.rules import Place
from catenary_conformance.strategies import values
from catenary_conformance.strategies.builders import REPAIRS

if TYPE_CHECKING:
    from google.protobuf.descriptor import Descriptor, OneofDescriptor
    from google.protobuf.descriptor import FieldDescriptor as Field
    from google.protobuf.message import Message
    from hypothesis.strategies import DrawFn, SearchStrategy

    from catenary_conformance.strategies.values import Rules

DEPTH = 3
"""How deep optional messages are nested."""
_MORE_ITEMS = 3
_DURATION = duration_pb2.Duration.DESCRIPTOR.full_name
_TIMESTAMP = timestamp_pb2.Timestamp.DESCRIPTOR.full_name
_LATEST_SECONDS = 4_000_000_000


@dataclasses.dataclass(slots=True)
class FieldRules:
    """Rules of one field, by whom they bind."""

    own: Rules = dataclasses.field(default_factory=dict)
    item: Rules = dataclasses.field(default_factory=dict)
    key: Rules = dataclasses.field(default_factory=dict)
    value: Rules = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(slots=True)
class MessageRules:
    """Rules of one message, those of messages inside it left out."""

    fields: dict[str, FieldRules] = dataclasses.field(default_factory=dict)
    required_oneofs: set[str] = dataclasses.field(default_factory=set)
    expressions: list[str] = dataclasses.field(default_factory=list)
    """Ids of the rules over several fields."""

    def of(self, field: Field) -> FieldRules:
        """The rules of a field."""
        return self.fields.get(field.name, FieldRules())


@functools.cache
def rules_of(descriptor: Descriptor) -> MessageRules:
    """The rules of a type of message."""
    found = MessageRules()
    for rule in Contract.load().rules(descriptor):
        name = rule.id.rpartition(".")[2]
        if rule.place is Place.MESSAGE:
            if not rule.field:
                found.expressions.append(rule.id)
        elif "." in rule.field:
            continue
        elif rule.place is Place.ONEOF:
            found.required_oneofs.add(rule.field)
        else:
            field = found.fields.setdefault(rule.field, FieldRules())
            places = {Place.ITEM: field.item, Place.KEY: field.key, Place.VALUE: field.value}
            places.get(rule.place, field.own)[name] = rule.bound
    return found


def messages(kind: type[Message], *, depth: int = DEPTH) -> SearchStrategy[Any]:
    """Messages of a type that keep every rule."""
    return _messages(descriptor_of(kind), depth)


def descriptor_of(kind: type[Message] | Message) -> Descriptor:
    """The descriptor of a message, which type stubs take for one of two classes."""
    return cast("Descriptor", kind.DESCRIPTOR)


@st.composite
def _messages(draw: DrawFn, descriptor: Descriptor, depth: int) -> Message:
    message = GetMessageClass(descriptor)()
    rules = rules_of(descriptor)
    chosen = [_member(draw, oneof, rules) for oneof in descriptor.oneofs if len(oneof.fields) > 1]
    lone = [field for field in descriptor.fields if field.containing_oneof is None or _synthetic(field)]
    for field in [*filter(None, chosen), *lone]:
        if field in chosen or _needed(field, rules.of(field)) or (_worthwhile(field, depth) and draw(st.booleans())):
            fill(draw, message, field, rules.of(field), depth)
    for expression in rules.expressions:
        REPAIRS[expression](draw, message)
    return message


def fill(draw: DrawFn, message: Message, field: Field, rules: FieldRules, depth: int = 0) -> None:
    """Give a field a value that keeps its rules."""
    if not field.is_repeated:
        _set(message, field, draw(_singular(field, rules.own, depth)))
    elif is_map(field):
        _fill_map(draw, message, field, rules, depth)
    else:
        least, most = rules.own.get("min_items", 0), rules.own.get("max_items", 1000)
        elements = st.lists(
            _singular(field, rules.item, depth),
            min_size=least,
            max_size=min(most, least + _MORE_ITEMS),
            unique="unique" in rules.own,
        )
        getattr(message, field.name).extend(draw(elements))


def element(field: Field, rules: FieldRules) -> SearchStrategy[Any]:
    """Elements of a repeated field that keep its rules."""
    return _singular(field, rules.item, 0)


def map_key(field: Field, rules: FieldRules) -> SearchStrategy[Any]:
    """Keys of a map that keep its rules."""
    return values.scalar(_entry(field).fields_by_name["key"], rules.key)


def map_value(field: Field, rules: FieldRules, depth: int = 0) -> SearchStrategy[Any]:
    """Values of a map that keep its rules."""
    return _singular(_entry(field).fields_by_name["value"], rules.value, depth)


def is_map(field: Field) -> bool:
    """Whether a field is a map."""
    return field.message_type is not None and field.message_type.GetOptions().map_entry


def put(message: Message, field: Field, key: object, value: Any) -> None:  # noqa: ANN401 - of the field's type
    """Put an entry into a map, whatever its values are."""
    entries = getattr(message, field.name)
    if _entry(field).fields_by_name["value"].message_type is None:
        entries[key] = value
    else:
        entries[key].CopyFrom(value)


def _fill_map(draw: DrawFn, message: Message, field: Field, rules: FieldRules, depth: int) -> None:
    most = min(rules.own.get("max_pairs", _MORE_ITEMS), _MORE_ITEMS)
    for key in draw(st.lists(map_key(field, rules), max_size=most, unique=True)):
        put(message, field, key, draw(map_value(field, rules, depth)))


def _singular(field: Field, rules: Rules, depth: int) -> SearchStrategy[Any]:
    if field.message_type is None:
        return values.scalar(field, rules)
    if field.message_type.full_name == _DURATION:
        return values.seconds(rules).map(_duration)
    if field.message_type.full_name == _TIMESTAMP:
        return st.integers(1, _LATEST_SECONDS).map(lambda each: timestamp_pb2.Timestamp(seconds=each))
    return _messages(field.message_type, depth - 1)


def _duration(seconds: float) -> duration_pb2.Duration:
    found = duration_pb2.Duration()
    found.FromMilliseconds(round(seconds * 1000))
    return found


def _set(message: Message, field: Field, value: Any) -> None:  # noqa: ANN401 - of the field's type
    if field.message_type is None:
        setattr(message, field.name, value)
    else:
        getattr(message, field.name).CopyFrom(value)
        getattr(message, field.name).SetInParent()


def _member(draw: DrawFn, oneof: OneofDescriptor, rules: MessageRules) -> Field | None:
    choices: list[Field | None] = list(oneof.fields)
    return draw(st.sampled_from(choices if oneof.name in rules.required_oneofs else [*choices, None]))


def _needed(field: Field, rules: FieldRules) -> bool:
    """Whether a message without the field breaks a rule, or may do so."""
    own = rules.own
    if own.get("required"):
        return True
    if field.has_presence:
        return False
    least = max(own.get(name, 0) for name in ("min_len", "min_bytes", "min_items", "min_pairs", "len"))
    excludes_zero = 0 in own.get("not_in", ()) or ("in" in own and not {0, ""} & set(own["in"]))
    above_zero = own.get("gte", 0) > 0 or own.get("gt", -1) >= 0
    return least > 0 or excludes_zero or above_zero or "pattern" in own


def _worthwhile(field: Field, depth: int) -> bool:
    return field.message_type is None or depth > 0


def _synthetic(field: Field) -> bool:
    """Whether the oneof of a field is only how `optional` is written down."""
    return field.containing_oneof is not None and len(field.containing_oneof.fields) == 1


def _entry(field: Field) -> Descriptor:
    if field.message_type is None:
        raise TypeError(f"{field.full_name} is no map")
    return field.message_type
