"""Pictures as PNG files (ISO/IEC 15948), with what Python has."""

from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_TRUECOLOUR = 2


def png_bytes(picture: NDArray[np.uint8]) -> bytes:
    """A picture [rows, cols, 3] of red, green and blue as the content of a PNG file."""
    rows, cols = picture.shape[:2]
    header = struct.pack(">IIBBBBB", cols, rows, 8, _TRUECOLOUR, 0, 0, 0)
    # Every line begins with the number of its filter: none.
    lines = b"".join(b"\0" + line.tobytes() for line in picture)
    chunks = (_chunk(b"IHDR", header), _chunk(b"IDAT", zlib.compress(lines)), _chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
