"""What an encoded image says about itself."""

from __future__ import annotations

import struct
from typing import Final, NamedTuple

_PNG: Final = b"\x89PNG\r\n\x1a\n"
_PNG_CHANNELS: Final = {0: 1, 2: 3, 3: 3, 4: 4, 6: 4}
"""By colour type (ISO/IEC 15948, table 11.1); one with grey and alpha is shown in colour."""
_PNG_HEADER_BYTES: Final = 26
_WEBP_HEADER_BYTES: Final = 30
_JPEG_FRAMES: Final = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_JPEG_FILL: Final = 0xFF
_JPEG_SEGMENT: Final = struct.Struct(">BBH")
"""What every marker begins with, the marker, the length of its segment."""
_JPEG_FRAME: Final = struct.Struct(">5xHHB")
"""Height, width and components in the segment of a frame header."""


class ImageHeader(NamedTuple):
    """What an encoded image says about itself."""

    encoding: str
    width: int
    height: int
    channels: int


def read_header(data: bytes) -> ImageHeader | None:
    """Encoding and size of an encoded image; None when it is no JPEG, PNG or WebP."""
    if data[:2] == b"\xff\xd8":
        return _jpeg_header(data)
    if data[:8] == _PNG and len(data) >= _PNG_HEADER_BYTES:
        channels = _PNG_CHANNELS.get(data[25], 3)
        return ImageHeader("png", int.from_bytes(data[16:20]), int.from_bytes(data[20:24]), channels)
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return _webp_header(data)
    return None


def _jpeg_header(data: bytes) -> ImageHeader | None:
    """Walk the segments up to the frame header (ITU-T T.81, annex B)."""
    place = 2
    while place + _JPEG_FRAME.size <= len(data):
        begins, marker, length = _JPEG_SEGMENT.unpack_from(data, place)
        if begins != _JPEG_FILL:
            return None
        if marker in _JPEG_FRAMES:
            height, width, channels = _JPEG_FRAME.unpack_from(data, place)
            return ImageHeader("jpeg", width, height, channels)
        place += 1 if marker == _JPEG_FILL else 2 + length
    return None


def _webp_header(data: bytes) -> ImageHeader | None:
    """The three kinds of WebP (RFC 9649, section 2)."""
    kind = data[12:16]
    if len(data) < _WEBP_HEADER_BYTES:
        return None
    if kind == b"VP8X":
        width, height = int.from_bytes(data[24:27], "little") + 1, int.from_bytes(data[27:30], "little") + 1
        return ImageHeader("webp", width, height, 4 if data[20] & 0x10 else 3)
    if kind == b"VP8L":
        bits = int.from_bytes(data[21:25], "little")
        return ImageHeader("webp", (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1, 4 if bits >> 28 & 1 else 3)
    if kind == b"VP8 ":
        width, height = int.from_bytes(data[26:28], "little"), int.from_bytes(data[28:30], "little")
        return ImageHeader("webp", width & 0x3FFF, height & 0x3FFF, 3)
    return None
