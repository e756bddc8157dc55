"""Field rules of the contract, read from its image.

The stubs carry no rules, so that clients need no validator. The image has a descriptor pool of its own; a validator
remembers the rules of a message by its name, hence one that has seen a message of the stubs would find nothing wrong
ever after. This one only ever sees messages of the image.
"""

from __future__ import annotations

import importlib.resources
from typing import TYPE_CHECKING, cast

import protovalidate
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass

from catenary_server.domain.failure import Failure, Reason, Violation

if TYPE_CHECKING:
    from collections.abc import Sequence

    from google.protobuf.descriptor import Descriptor, EnumDescriptor
    from google.protobuf.message import Message

_ENUM_RULES = "enum."
"""How the ids of the rules about values of enums begin."""


class FieldRules:
    """Checks requests."""

    def __init__(self) -> None:
        image = importlib.resources.files("catenary").joinpath("contract.binpb").read_bytes()
        self._pool = DescriptorPool()
        for file in FileDescriptorSet.FromString(image).file:
            self._pool.Add(file)
        self._validator = protovalidate.Validator()
        self._types: dict[str, type[Message]] = {}

    def check(self, name: str, data: bytes) -> None:
        """Refuse a message that breaks a rule, with the path of every field at fault.

        Args:
            name: full name of the message type.
            data: the message, with tickets in the place of its payloads: a validator would copy those.

        Raises:
            Failure: FIELD_INVALID.
        """
        message = self._ruled(name).FromString(data)
        descriptor = cast("Descriptor", message.DESCRIPTOR)
        found = tuple(_violation(each, descriptor) for each in self._validator.collect_violations(message))
        if found:
            first = found[0]
            raise Failure(Reason.FIELD_INVALID, f"{first.subject} {first.description}".strip(), violations=found)

    def _ruled(self, name: str) -> type[Message]:
        """The message type of the image's pool."""
        if name not in self._types:
            self._types[name] = GetMessageClass(self._pool.FindMessageTypeByName(name))
        return self._types[name]


def _violation(found: protovalidate.Violation, descriptor: Descriptor) -> Violation:
    path = found.proto.field
    elements = path.elements if path is not None else []
    description = found.proto.message
    if found.proto.rule_id.startswith(_ENUM_RULES):
        choices = _choices(descriptor, [each.field_name for each in elements])
        description += f"; choose one of {', '.join(choices)}"
    return Violation(".".join(_element(each) for each in elements), description)


def _choices(descriptor: Descriptor, names: Sequence[str]) -> list[str]:
    """What the enum field at the end of a path may be set to; a value that was given up has its successors there.

    No rule of the contract is about enums in maps, where a path would go through an entry.
    """
    *outer, last = names
    for name in outer:
        descriptor = cast("Descriptor", descriptor.fields_by_name[name].message_type)
    values = cast("EnumDescriptor", descriptor.fields_by_name[last].enum_type).values
    return [value.name for value in values if value.number]


def _element(element: protovalidate.FieldPathElementPb) -> str:
    """One step of a field path: `search_paths[2]`, `labels["team"]`."""
    if element.subscript is None:
        return element.field_name
    value = element.subscript.value
    return f'{element.field_name}["{value}"]' if isinstance(value, str) else f"{element.field_name}[{value}]"
