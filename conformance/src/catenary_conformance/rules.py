"""Field rules of the contract: which there are, and which of them a message breaks.

A validator remembers the rules of a message by its name, hence one that has seen a message of the stubs, which carry
no rules, would find nothing wrong ever after. The one here only sees messages of the image's own pool.
"""

from __future__ import annotations

import dataclasses
import enum
from typing import TYPE_CHECKING, Any

import protovalidate

from catenary_conformance.image import FIELD_RULES, MESSAGE_RULES, ONEOF_RULES, Image

if TYPE_CHECKING:
    from collections.abc import Iterator

    from google.protobuf.descriptor_pb2 import DescriptorProto, FieldDescriptorProto
    from google.protobuf.message import Message

_IGNORED = 3  # IGNORE_ALWAYS of buf.validate.Ignore
_LIMITS = frozenset({"gt", "gte", "lt", "lte"})
_MODIFIERS = frozenset({"ignore", "cel", "cel_expression"})


class Place(enum.Enum):
    """What of a field a rule speaks of."""

    FIELD = "field"
    ITEM = "item"
    KEY = "key"
    VALUE = "value"
    ONEOF = "oneof"
    MESSAGE = "message"


@dataclasses.dataclass(frozen=True, slots=True)
class Rule:
    """One rule that a message can break.

    Two rules are equal when they are the same rule at the same field; what they are bound to does not count.
    """

    field: str
    """Path of the field from the outermost message, without indices: `command.learning_rate`. Of a oneof: its name in
    the place of the field. Of a rule about a whole message: the path of that message, empty for the outermost."""
    id: str
    """Path of the rule: `string.max_len`, `map.values.string.max_len`, `required`; of an expression: its own id."""
    place: Place
    bound: Any = dataclasses.field(default=None, compare=False)
    """What the rule compares with."""

    @property
    def name(self) -> str:
        """`command.learning_rate:double.lte`."""
        return f"{self.field or 'message'}:{self.id}"

    def same_kind(self, other: Rule) -> bool:
        """Whether a validator may report `other` for a message that breaks this rule: it names one of two limits."""
        if self.field != other.field:
            return False
        mine, theirs = self.id.rsplit(".", 1), other.id.rsplit(".", 1)
        if mine[-1] in _LIMITS and theirs[-1] in _LIMITS:
            return mine[:-1] == theirs[:-1]
        return self.id == other.id


class Validator:
    """Finds what rules a message breaks."""

    def __init__(self, image: Image) -> None:
        self._image = image
        self._validator = protovalidate.Validator()

    def violations(self, name: str, data: bytes) -> list[Rule]:
        """The rules that the bytes of a message of this name break."""
        message = self._image.message_class(name).FromString(data)
        return [_broken(each) for each in self._validator.collect_violations(message)]


def _broken(found: protovalidate.Violation) -> Rule:
    fields = found.proto.field.elements if found.proto.field is not None else []
    path = [each.field_name for each in found.proto.rule.elements] if found.proto.rule is not None else []
    field = ".".join(each.field_name for each in fields)
    if path and path[0] not in _MODIFIERS:
        return Rule(field, ".".join(path), _place(path))
    return Rule(field, found.proto.rule_id, Place.ONEOF if found.proto.rule_id == "required" else Place.MESSAGE)


def _place(path: list[str]) -> Place:
    places = {"map.keys": Place.KEY, "map.values": Place.VALUE, "repeated.items": Place.ITEM}
    return places.get(".".join(path[:2]), Place.FIELD)


def rules_of(image: Image, name: str) -> list[Rule]:
    """Every rule that a message of this name can break, those of messages inside it included."""
    return list(_rules(image, name, "", ()))


def _rules(image: Image, name: str, path: str, above: tuple[str, ...]) -> Iterator[Rule]:
    message = image.message(name)
    if message is None or name in above:
        return
    yield from _message_rules(image, message, path)
    for field in message.field:
        rules: Any = image.option(field.options, FIELD_RULES)
        if rules is not None and rules.ignore == _IGNORED:
            continue
        here = f"{path}.{field.name}".lstrip(".")
        if rules is not None:
            yield from _field_rules(rules, here)
        inner = _inner_message(image, field)
        if inner and not _inside_ignored(rules):
            yield from _rules(image, inner, here, (*above, name))


def _message_rules(image: Image, message: DescriptorProto, path: str) -> Iterator[Rule]:
    declared: Any = image.option(message.options, MESSAGE_RULES)
    if declared is not None:
        for expression in declared.cel:
            yield Rule(path, expression.id, Place.MESSAGE, expression.expression)
    for oneof in message.oneof_decl:
        wanted: Any = image.option(oneof.options, ONEOF_RULES)
        if wanted is not None and wanted.required:
            yield Rule(f"{path}.{oneof.name}".lstrip("."), "required", Place.ONEOF)


def _field_rules(rules: Message, path: str) -> Iterator[Rule]:
    for descriptor, value in rules.ListFields():
        if descriptor.name in _MODIFIERS:
            continue
        if descriptor.message_type is None:
            yield Rule(path, descriptor.name, Place.FIELD, value)
        else:
            yield from _typed_rules(value, path, (descriptor.name,))


def _typed_rules(rules: Message, path: str, above: tuple[str, ...]) -> Iterator[Rule]:
    """Rules of one type; `items`, `keys` and `values` hold the rules of what is inside a field."""
    for descriptor, value in rules.ListFields():
        here = [*above, descriptor.name]
        if descriptor.message_type is not None and descriptor.message_type.full_name == "buf.validate.FieldRules":
            for inner, inner_rules in value.ListFields():
                if inner.message_type is not None:
                    yield from _typed_rules(inner_rules, path, (*here, inner.name))
        else:
            yield Rule(path, ".".join(here), _place(here), value)


def _inside_ignored(rules: Any) -> bool:  # noqa: ANN401 - a message of the image's own pool, or None
    return rules is not None and _IGNORED in (rules.map.values.ignore, rules.repeated.items.ignore)


def _inner_message(image: Image, field: FieldDescriptorProto) -> str:
    """Full name of the message that a field or the values of a map hold; empty where they hold none."""
    name = field.type_name.lstrip(".")
    entry = image.message(name) if field.type == field.TYPE_MESSAGE else None
    if entry is None:
        return ""
    if entry.options.map_entry:
        return entry.field[1].type_name.lstrip(".") if entry.field[1].type == field.TYPE_MESSAGE else ""
    return name
