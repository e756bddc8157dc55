"""Reads an image of the contract: descriptors with options, rules and comments.

An image has a descriptor pool of its own. Options parsed with the library's classes keep our extensions as unknown
fields; so the image is parsed with the descriptor classes of its own pool, where extensions have names.
"""

from __future__ import annotations

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
    )
    from google.protobuf.message import Message

METHOD_OPTION = "catenary.contract.v1.method"
FIELD_OPTION = "catenary.contract.v1.field"
REASON_OPTION = "catenary.contract.v1.reason"
FIELD_RULES = "buf.validate.field"
MESSAGE_RULES = "buf.validate.message"
ONEOF_RULES = "buf.validate.oneof"

_FOREIGN = ("google/", "buf/")
# Field numbers of descriptor.proto, from which the paths of comments are made.
_ENUM_IN_FILE, _VALUE_IN_ENUM = 5, 2


class Image:
    """The contract as one image holds it.

    Names are full names without a leading dot. Only the files of the contract are visited, not what they import.
    """

    def __init__(self, content: bytes) -> None:
        pool = DescriptorPool()
        for file in FileDescriptorSet.FromString(content).file:
            pool.Add(file)
        set_type = GetMessageClass(pool.FindMessageTypeByName("google.protobuf.FileDescriptorSet"))
        descriptors = cast("FileDescriptorSet", set_type.FromString(content))
        self._pool = pool
        self.files: Sequence[FileDescriptorProto] = [
            file for file in descriptors.file if not file.name.startswith(_FOREIGN)
        ]

    def option(self, options: Message, name: str) -> Message | None:
        """Return the value of the message-typed extension ``name`` of ``options``, or None where it is not set."""
        try:
            extension: Any = self._pool.FindExtensionByName(name)
        except KeyError:  # nothing in the image imports the file that defines it
            return None
        if not options.HasExtension(extension):
            return None
        return cast("Message", options.Extensions[extension])

    def methods(self) -> Iterator[tuple[str, MethodDescriptorProto]]:
        """Yield every RPC by its full name."""
        for file in self.files:
            for service in file.service:
                for method in service.method:
                    yield f"{file.package}.{service.name}.{method.name}", method

    def messages(self) -> Iterator[tuple[str, DescriptorProto]]:
        """Yield every message by its full name, nested ones and map entries included."""
        for file in self.files:
            for message in file.message_type:
                yield from _with_nested(file.package, message)

    def enums(self) -> Iterator[tuple[str, EnumDescriptorProto]]:
        """Yield every enum by its full name, nested ones included."""
        for file in self.files:
            for enum in file.enum_type:
                yield f"{file.package}.{enum.name}", enum
        for name, message in self.messages():
            for enum in message.enum_type:
                yield f"{name}.{enum.name}", enum

    def enum_comments(self, enum_name: str) -> dict[str, str]:
        """Return the comment of each value of the top-level enum ``enum_name``, by value name.

        Raises ``KeyError`` when there is no such enum.
        """
        for file in self.files:
            for index, enum in enumerate(file.enum_type):
                if f"{file.package}.{enum.name}" == enum_name:
                    return _value_comments(file, index)
        raise KeyError(enum_name)


def enum_name(message: Message, field: str, number: int) -> str:
    """Return the name of the value ``number`` of the enum-typed ``field``, or the number where the enum lacks it."""
    enum = message.DESCRIPTOR.fields_by_name[field].enum_type
    value = enum.values_by_number.get(number) if enum is not None else None
    return str(number) if value is None else value.name


def _with_nested(scope: str, message: DescriptorProto) -> Iterator[tuple[str, DescriptorProto]]:
    name = f"{scope}.{message.name}"
    yield name, message
    for nested in message.nested_type:
        yield from _with_nested(name, nested)


def _value_comments(file: FileDescriptorProto, enum_index: int) -> dict[str, str]:
    comments = {tuple(place.path): place.leading_comments for place in file.source_code_info.location}
    return {
        value.name: " ".join(comments.get((_ENUM_IN_FILE, enum_index, _VALUE_IN_ENUM, index), "").split())
        for index, value in enumerate(file.enum_type[enum_index].value)
    }
