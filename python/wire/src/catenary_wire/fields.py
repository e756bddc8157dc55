"""The protobuf wire format, one field after the other: where each begins and ends, without parsing what is in it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

VARINT, FIXED64, LENGTH_DELIMITED, GROUP_START, GROUP_END, FIXED32 = range(6)

_PAYLOAD_BITS = 0x7F
_CONTINUES = 0x80
_MAX_VALUE = (1 << 64) - 1
_MAX_TAG = (1 << 32) - 1
_MAX_LENGTH = (1 << 31) - 1
_MAX_TAG_BYTES = 5
_MAX_VARINT_BYTES = 10
_MAX_DEPTH = 100
_ONE_BYTE = tuple(bytes((value,)) for value in range(_PAYLOAD_BITS + 1))


class Field(NamedTuple):
    """One field of a message, by offsets into the message."""

    number: int
    wire_type: int
    start: int
    """Where the tag begins."""
    content: int
    """Where the content begins: behind tag and length."""
    end: int
    """Behind the last byte."""


def scan(data: memoryview) -> Iterator[Field]:
    """Every field of a message in the order in which they stand. Groups count as one field.

    Raises:
        ValueError: the bytes are no protobuf message.
    """
    position, end = 0, len(data)
    while position < end:
        field = _field(data, position)
        if field.wire_type == GROUP_END:
            raise ValueError("a group ends that was not begun")
        yield field
        position = field.end


def header(number: int, size: int) -> bytes:
    """Tag and length of a length-delimited field."""
    return varint(number << 3 | LENGTH_DELIMITED) + varint(size)


def varint(value: int) -> bytes:
    """A number as a base-128 varint, in its shortest form."""
    if value <= _PAYLOAD_BITS:
        return _ONE_BYTE[value]
    out = bytearray()
    while value > _PAYLOAD_BITS:
        out.append(value & _PAYLOAD_BITS | _CONTINUES)
        value >>= 7
    out.append(value)
    return bytes(out)


def _field(data: memoryview, start: int) -> Field:
    tag, position = _read(data, start, _MAX_TAG_BYTES)
    number, wire_type = tag >> 3, tag & 7
    if number == 0 or tag > _MAX_TAG:
        raise ValueError("a field number is out of range")
    content, end = _extent(data, position, number, wire_type)
    if end > len(data):
        raise ValueError("the message ends inside a field")
    return Field(number, wire_type, start, content, end)


def _extent(data: memoryview, position: int, number: int, wire_type: int) -> tuple[int, int]:
    """Where the content of a field begins and ends."""
    match wire_type:
        case 0:
            return position, _read(data, position, _MAX_VARINT_BYTES)[1]
        case 1:
            return position, position + 8
        case 2:
            length, content = _read(data, position, _MAX_VARINT_BYTES)
            if length > _MAX_LENGTH:
                raise ValueError("a field is longer than a message may be")
            return content, content + length
        case 3:
            return position, _group_end(data, position, number)
        case 4:
            return position, position
        case 5:
            return position, position + 4
        case _:
            raise ValueError(f"{wire_type} is no wire type")


def _group_end(data: memoryview, position: int, number: int) -> int:
    """Behind the end tag of a group. Groups in it are followed by a stack, so that no message exhausts Python's."""
    open_groups = [number]
    while open_groups:
        if position >= len(data):
            raise ValueError("the message ends inside a group")
        tag, content = _read(data, position, _MAX_TAG_BYTES)
        if tag & 7 == GROUP_START:
            open_groups.append(tag >> 3)
            position = content
        elif tag & 7 == GROUP_END:
            if open_groups.pop() != tag >> 3:
                raise ValueError("a group ends that was not begun")
            position = content
        else:
            position = _field(data, position).end
        if len(open_groups) > _MAX_DEPTH:
            raise ValueError("groups are nested too deeply")
    return position


def _read(data: memoryview, position: int, max_bytes: int) -> tuple[int, int]:
    """A varint and the position behind it; bits above the 64th are dropped, as protobuf does."""
    value = 0
    try:
        for index in range(max_bytes):
            byte = data[position + index]
            value |= (byte & _PAYLOAD_BITS) << (7 * index)
            if byte < _CONTINUES:
                return value & _MAX_VALUE, position + index + 1
    except IndexError:
        raise ValueError("the message ends inside a number") from None
    raise ValueError("a number is longer than a varint may be")
