"""How a record lies in a file: 24 bytes of frame, then the payload.

Little endian: CRC-32 of everything after itself (4 bytes), length of the payload (4), sequence (8), time in
microseconds since the Unix epoch (7) above the kind (1).
"""

from __future__ import annotations

import dataclasses
import struct
from typing import TYPE_CHECKING, Final

try:
    from zlib_ng.zlib_ng import crc32
except ModuleNotFoundError:  # no wheel for this kind of processor
    from zlib import crc32

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import TypeAlias

    Buffer: TypeAlias = bytes | bytearray | memoryview

_FRAME = struct.Struct("<IIQQ")
_CHECKED = struct.Struct("<IQQ")
_CRC = struct.Struct("<I")

FRAME_BYTES: Final = _FRAME.size
MAGIC: Final = b"CATLOG1\n"
"""First bytes of every segment."""
LARGEST_PAYLOAD: Final = 1 << 30
LARGEST_SEQUENCE: Final = (1 << 64) - 1
LARGEST_KIND: Final = (1 << 8) - 1
LARGEST_TIME_US: Final = (1 << 56) - 1


@dataclasses.dataclass(frozen=True, slots=True)
class Frame:
    """What stands in front of a payload."""

    crc: int
    length: int
    """Bytes of the payload."""
    sequence: int
    time_us: int
    """When the record was appended, in microseconds since the Unix epoch."""
    kind: int
    """What the payload is, 0 to 255, as the writer's own numbering has it."""

    @property
    def size(self) -> int:
        """Bytes of the whole record."""
        return FRAME_BYTES + self.length


@dataclasses.dataclass(frozen=True, slots=True)
class Record:
    """One record that was read, its checksum checked."""

    sequence: int
    kind: int
    time_us: int
    payload: bytes


def pack_frame(sequence: int, kind: int, time_us: int, buffers: Sequence[Buffer]) -> bytes:
    """The frame of a record whose payload is the buffers, one after the other."""
    length = sum(map(byte_length, buffers))
    checked = _CHECKED.pack(length, sequence, time_us << 8 | kind)
    crc = crc32(checked)
    for buffer in buffers:
        crc = crc32(buffer, crc)
    return _CRC.pack(crc) + checked


def unpack_frame(data: Buffer, offset: int = 0) -> Frame:
    """The frame at an offset; `FRAME_BYTES` must be there."""
    crc, length, sequence, stamp = _FRAME.unpack_from(data, offset)
    return Frame(crc, length, sequence, stamp >> 8, stamp & 0xFF)


def frame_matches(frame: Frame, payload: Buffer) -> bool:
    """Whether the checksum of a frame is that of the frame with this payload."""
    checked = _CHECKED.pack(frame.length, frame.sequence, frame.time_us << 8 | frame.kind)
    return crc32(payload, crc32(checked)) == frame.crc


def byte_length(buffer: Buffer) -> int:
    """Bytes of a buffer, also of a view of larger items."""
    return buffer.nbytes if isinstance(buffer, memoryview) else len(buffer)
