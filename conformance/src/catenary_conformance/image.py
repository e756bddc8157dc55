"""Reads an image of the contract: descriptors with options and rules.

An image has a descriptor pool of its own. Options parsed with the library's classes keep the contract's extensions as
unknown fields; so the image is parsed with the descriptor classes of its own pool, where extensions have names.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, cast

from google.protobuf.descriptor_pb2 import FileDescriptorSet
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from google.protobuf.descriptor_pb2 import (
        DescriptorProto,
        EnumDescriptorProto,
        FileDescriptorProto,
        MethodDescriptorProto,
        MethodOptions,
    )
    from google.protobuf.message import Message

METHOD_OPTION = "catenary.contract.v1.method"
FIELD_OPTION = "catenary.contract.v1.field"
REASON_OPTION = "catenary.contract.v1.reason"
FIELD_RULES = "buf.validate.field"
MESSAGE_RULES = "buf.validate.message"
ONEOF_RULES = "buf.validate.oneof"

_FOREIGN = ("google/", "buf/")


@dataclasses.dataclass(frozen=True, slots=True)
class Service:
    """A service of the image by its full name, and its RPCs with their options."""

    name: str
    methods: tuple[tuple[MethodDescriptorProto, MethodOptions], ...]


class Image:
    """The contract as one image holds it. Names are full names without a leading dot."""

    def __init__(self, content: bytes) -> None:
        self._pool = DescriptorPool()
        for file in FileDescriptorSet.FromString(content).file:
            self._pool.Add(file)
        set_type = GetMessageClass(self._pool.FindMessageTypeByName("google.protobuf.FileDescriptorSet"))
        descriptors = cast("FileDescriptorSet", set_type.FromString(content))
        self.files: Sequence[FileDescriptorProto] = [
            file for file in descriptors.file if not file.name.startswith(_FOREIGN)
        ]
        """Files of the contract itself, without what they import from others."""
        self._messages = {name: message for file in self.files for name, message in _messages(file)}

    def option(self, options: Message, name: str) -> Message | None:
        """The value of the message-typed extension `name` of `options`, or None where it is not set."""
        extension: Any = self._pool.FindExtensionByName(name)
        if not options.HasExtension(extension):
            return None
        return cast("Message", options.Extensions[extension])

    def services(self) -> Iterator[Service]:
        """Every service whose RPCs carry the contract's options."""
        for file in self.files:
            for service in file.service:
                methods = tuple((method, method.options) for method in service.method)
                yield Service(f"{file.package}.{service.name}", methods)

    def messages(self) -> Iterator[tuple[str, DescriptorProto]]:
        """Every message by its full name, nested ones and map entries included."""
        yield from self._messages.items()

    def message(self, name: str) -> DescriptorProto | None:
        """One message; None where the contract has none of the name."""
        return self._messages.get(name)

    def message_class(self, name: str) -> type[Message]:
        """The class of the image's own pool for a message: what a validator finds rules on.

        Raises:
            KeyError: the image has no such message.
        """
        return GetMessageClass(self._pool.FindMessageTypeByName(name))

    def enum(self, name: str) -> EnumDescriptorProto:
        """A top-level enum.

        Raises:
            KeyError: the image has no such enum.
        """
        for file in self.files:
            for each in file.enum_type:
                if f"{file.package}.{each.name}" == name:
                    return each
        raise KeyError(name)


def _messages(file: FileDescriptorProto) -> Iterator[tuple[str, DescriptorProto]]:
    for message in file.message_type:
        yield from _with_nested(file.package, message)


def _with_nested(scope: str, message: DescriptorProto) -> Iterator[tuple[str, DescriptorProto]]:
    name = f"{scope}.{message.name}"
    yield name, message
    for nested in message.nested_type:
        yield from _with_nested(name, nested)
