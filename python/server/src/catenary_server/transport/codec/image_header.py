"""What encoded images say about themselves in their first bytes; nothing is decoded."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

_JPEG = b"\xff\xd8\xff"
_PNG = b"\x89PNG\r\n\x1a\n"
_WEBP_FRAME = 30
_MAGIC = 16
_START_OF_FRAME = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_STANDALONE = frozenset(range(0xD0, 0xD8)) | {0x01}
_SEGMENT: Final = struct.Struct(">BBH")
"""What every marker begins with, the marker, the length of its segment."""
_FRAME: Final = struct.Struct(">5xHH")
"""Height and width in the segment that starts a frame."""


class ImageHeader(NamedTuple):
    """Encoding (`jpeg`, `png` or `webp`) and size in pixels."""

    format: str
    width: int
    height: int


def image_header(data: bytes | memoryview) -> ImageHeader | None:
    """The header of an image; None for bytes that are no image of a known encoding."""
    start = bytes(data[:_MAGIC])
    if start.startswith(_JPEG):
        return _header("jpeg", _jpeg_size, data)
    if start.startswith(_PNG) and start.endswith(b"IHDR"):
        return _header("png", _png_size, data)
    if start.startswith(b"RIFF") and start[8:12] == b"WEBP":
        return _header("webp", _webp_size, data)
    return None


def _header(
    name: str, size: Callable[[bytes | memoryview], tuple[int, int]], data: bytes | memoryview
) -> ImageHeader | None:
    try:
        width, height = size(data)
    except (IndexError, ValueError, struct.error):
        return None
    return ImageHeader(name, width, height) if width and height else None


def _png_size(data: bytes | memoryview) -> tuple[int, int]:
    return _big(data, 16, 4), _big(data, 20, 4)


def _jpeg_size(data: bytes | memoryview) -> tuple[int, int]:
    """Height and width stand in the first start-of-frame segment (ITU-T T.81, B.2.2)."""
    position = 2
    while True:
        begins, marker, length = _SEGMENT.unpack_from(data, position)
        if begins != 0xFF:  # noqa: PLR2004 - every marker does
            raise ValueError("a marker is missing")
        if marker in _START_OF_FRAME:
            height, width = _FRAME.unpack_from(data, position)
            return width, height
        if marker == 0xFF:  # noqa: PLR2004 - a fill byte
            position += 1
        elif marker in _STANDALONE:
            position += 2
        else:
            position += 2 + max(length, 2)


def _webp_size(data: bytes | memoryview) -> tuple[int, int]:
    """Lossy (RFC 6386, 9.1), lossless and extended files (RFC 9649) tell their size in different places."""
    if len(data) < _WEBP_FRAME:
        raise ValueError("the file is too short")
    match bytes(data[12:16]):
        case b"VP8 ":
            return _little(data, 26, 2) & 0x3FFF, _little(data, 28, 2) & 0x3FFF
        case b"VP8L":
            bits = _little(data, 21, 4)
            return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
        case b"VP8X":
            return _little(data, 24, 3) + 1, _little(data, 27, 3) + 1
        case _:
            raise ValueError("the file has no image")


def _big(data: bytes | memoryview, start: int, length: int) -> int:
    return int.from_bytes(_exactly(data, start, length), "big")


def _little(data: bytes | memoryview, start: int, length: int) -> int:
    return int.from_bytes(_exactly(data, start, length), "little")


def _exactly(data: bytes | memoryview, start: int, length: int) -> bytes | memoryview:
    found = data[start : start + length]
    if len(found) < length:
        raise IndexError(start)
    return found
