"""Field rules of the contract, read from its image.

The stubs carry no rules, so that clients need no validator. The image has a descriptor pool of its own; a validator
remembers the rules of a message by its name, hence one that has seen a message of the stubs would find nothing wrong
ever after. This one only ever sees messages of the image.
"""

from __future__ import annotations

import importlib.resources
from typing import TYPE_CHECKING

import protovalidate
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass

from catenary_server.domain.failure import Failure, Reason, Violation

if TYPE_CHECKING:
    from google.protobuf.message import Message


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
        found = tuple(
            _violation(each) for each in self._validator.collect_violations(self._ruled(name).FromString(data))
        )
        if found:
            first = found[0]
            raise Failure(Reason.FIELD_INVALID, f"{first.subject} {first.description}".strip(), violations=found)

    def _ruled(self, name: str) -> type[Message]:
        """The message type of the image's pool."""
        if name not in self._types:
            self._types[name] = GetMessageClass(self._pool.FindMessageTypeByName(name))
        return self._types[name]


def _violation(found: protovalidate.Violation) -> Violation:
    path = found.proto.field
    elements = path.elements if path is not None else []
    return Violation(".".join(_element(each) for each in elements), found.proto.message)


def _element(element: protovalidate.FieldPathElementPb) -> str:
    """One step of a field path: `search_paths[2]`, `labels["team"]`."""
    if element.subscript is None:
        return element.field_name
    value = element.subscript.value
    return f'{element.field_name}["{value}"]' if isinstance(value, str) else f"{element.field_name}[{value}]"
