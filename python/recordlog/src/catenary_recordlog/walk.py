"""Goes from record to record of one segment, with or without their payloads."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from catenary_recordlog.framing import FRAME_BYTES, LARGEST_PAYLOAD, Frame, frame_matches, unpack_frame

if TYPE_CHECKING:
    from collections.abc import Iterator

_READ_BYTES: Final = 1 << 20
_HOP_BYTES: Final = 1 << 14


class _Window:
    """A part of a file in memory."""

    def __init__(self, fd: int, end: int, read_bytes: int) -> None:
        self._fd = fd
        self._end = end
        self._read_bytes = read_bytes
        self._start = 0
        self._data = memoryview(b"")

    def view(self, offset: int, length: int) -> memoryview:
        """Bytes of the file from an offset; fewer at its end."""
        if offset < self._start or offset + length > self._start + len(self._data):
            wanted = min(max(length, self._read_bytes), self._end - offset)
            self._data = memoryview(_pread(self._fd, wanted, offset))
            self._start = offset
        begin = offset - self._start
        return self._data[begin : begin + length]


def walk(fd: int, start: int, end: int) -> Iterator[tuple[int, Frame, memoryview]]:
    """Every whole record from a record's offset on: its offset, frame and payload.

    Ends at `end`, or before a record that is unfinished or damaged; `offset + frame.size` of the last one tells where.
    """
    window = _Window(fd, end, _READ_BYTES)
    offset = start
    while (frame := _frame_at(window, offset, end)) is not None:
        payload = window.view(offset + FRAME_BYTES, frame.length)
        if len(payload) < frame.length or not frame_matches(frame, payload):
            return
        yield offset, frame, payload
        offset += frame.size


def hop(fd: int, start: int, end: int) -> Iterator[tuple[int, Frame]]:
    """The offset and frame of every record, without reading large payloads or checking checksums."""
    window = _Window(fd, end, _HOP_BYTES)
    offset = start
    while (frame := _frame_at(window, offset, end)) is not None:
        yield offset, frame
        offset += frame.size


def _frame_at(window: _Window, offset: int, end: int) -> Frame | None:
    """The frame at an offset if it, and the payload it speaks of, end in time."""
    if offset + FRAME_BYTES > end:
        return None
    view = window.view(offset, FRAME_BYTES)
    if len(view) < FRAME_BYTES:
        return None
    frame = unpack_frame(view)
    return frame if frame.length <= LARGEST_PAYLOAD and offset + frame.size <= end else None


def _pread(fd: int, length: int, offset: int) -> bytes:
    """Bytes of a file, all that are there."""
    data = os.pread(fd, length, offset)
    while data and len(data) < length:
        more = os.pread(fd, length - len(data), offset + len(data))
        if not more:
            break
        data += more
    return data
