from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from served_telemetry import png

from catenary_server.transport.codec.image_header import ImageHeader, image_header


def jpeg(width: int, height: int, marker: int = 0xC0) -> bytes:
    jfif = b"\xff\xe0" + struct.pack(">H", 16) + b"JFIF\x00" + bytes(9)
    table = b"\xff\xc4" + struct.pack(">H", 4) + bytes(2)
    frame = bytes([0xFF, 0xFF, marker]) + struct.pack(">HBHHB", 17, 8, height, width, 3) + bytes(9)
    return b"\xff\xd8" + jfif + table + frame


def webp(kind: bytes, body: bytes) -> bytes:
    return b"RIFF" + bytes(4) + b"WEBP" + kind + bytes(4) + body + bytes(20)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (png(300, 200), ImageHeader("png", 300, 200)),
        (jpeg(300, 200), ImageHeader("jpeg", 300, 200)),
        (jpeg(300, 200, 0xC2), ImageHeader("jpeg", 300, 200)),
        (webp(b"VP8 ", bytes(6) + struct.pack("<HH", 300, 200)), ImageHeader("webp", 300, 200)),
        (webp(b"VP8L", b"\x2f" + struct.pack("<I", 299 | 199 << 14)), ImageHeader("webp", 300, 200)),
        (
            webp(b"VP8X", bytes(4) + (299).to_bytes(3, "little") + (199).to_bytes(3, "little")),
            ImageHeader("webp", 300, 200),
        ),
        (png(0, 5), None),
        (webp(b"ICCP", bytes(40)), None),
        (b"<svg/>", None),
        (b"", None),
        (b"\xff\xd8\xff", None),
    ],
)
def test_the_header_tells_format_and_size(data: bytes, expected: ImageHeader | None) -> None:
    assert image_header(data) == expected


@given(
    st.sampled_from([b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n\x00\x00\x00\x0dIHDR", b"RIFF\x00\x00\x00\x00WEBPVP8X"]),
    st.binary(),
)
def test_no_bytes_are_too_strange(start: bytes, rest: bytes) -> None:
    header = image_header(start + rest)
    assert header is None or (header.width > 0 and header.height > 0)


@pytest.mark.parametrize("length", range(len(jpeg(300, 200)) - 12))
def test_a_header_that_is_cut_short_is_none(length: int) -> None:
    assert image_header(jpeg(300, 200)[:length]) is None
