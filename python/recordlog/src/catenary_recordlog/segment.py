"""One file of a log."""

from __future__ import annotations

import bisect
import os
from typing import TYPE_CHECKING, Final, Self

from catenary_recordlog.errors import LogCorrupt
from catenary_recordlog.framing import MAGIC, Record
from catenary_recordlog.walk import hop, walk

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SUFFIX: Final = ".seg"
_INDEX_EVERY_BYTES: Final = 1 << 20


def segment_path(folder: Path, first_sequence: int) -> Path:
    """Where the segment that begins with a sequence lies."""
    return folder / f"{first_sequence:020d}{SUFFIX}"


class Segment:
    """The records of one file, and where about each of them lies.

    Attributes:
        first_sequence: sequence of the first record, also in the file's name.
        last_sequence: of the last record; None while it is not known, or there is no record.
        size: bytes of the file that hold whole records.
    """

    def __init__(self, path: Path, size: int) -> None:
        self.path = path
        self.first_sequence = int(path.stem)
        self.last_sequence: int | None = None
        self.last_time_us = 0
        self.size = size
        self._sequences: list[int] = []
        self._offsets: list[int] = []
        self._indexed = False

    @classmethod
    def fresh(cls, path: Path) -> Self:
        """A segment without records yet."""
        segment = cls(path, len(MAGIC))
        segment._indexed = True
        return segment

    def note(self, offset: int, sequence: int, time_us: int) -> None:
        """Remember a record that ends the segment from now on; `size` is the caller's."""
        if not self._offsets or offset - self._offsets[-1] >= _INDEX_EVERY_BYTES:
            # Readers search without a lock: the offset has to be there before its sequence is found.
            self._offsets.append(offset)
            self._sequences.append(sequence)
        self.last_time_us = time_us
        self.last_sequence = sequence

    def recover(self, fd: int) -> int:
        """Find the whole records of a segment that may have an unfinished end, by length and checksum.

        Returns:
            Bytes of the file that hold whole records.

        Raises:
            LogCorrupt: if the file does not begin like a segment.
        """
        self._check_magic(fd)
        previous = self.first_sequence - 1
        end = len(MAGIC)
        for offset, frame, _ in walk(fd, end, self.size):
            if frame.sequence <= previous:
                break
            self.note(offset, frame.sequence, frame.time_us)
            previous, end = frame.sequence, offset + frame.size
        self.size = end
        self._indexed = True
        return end

    def read(self, after: int) -> Iterator[Record]:
        """The records above a sequence that the segment holds now.

        Raises:
            LogCorrupt: at a record whose checksum is wrong.
        """
        fd = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            end = self.size
            self._index(fd)
            start = reached = self._start(after)
            for offset, frame, payload in walk(fd, start, end):
                reached = offset + frame.size
                if frame.sequence > after:
                    yield Record(frame.sequence, frame.kind, frame.time_us, bytes(payload))
            if reached < end:
                message = f"{self.path.name} is damaged at byte {reached}"
                raise LogCorrupt(message)
        finally:
            os.close(fd)

    def survey(self) -> None:
        """Learn `last_sequence` and `last_time_us` of a segment that was not read yet."""
        fd = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            self._index(fd)
        finally:
            os.close(fd)

    def _start(self, after: int) -> int:
        """Offset of a record at or before the first one above a sequence."""
        place = bisect.bisect_right(self._sequences, after + 1) - 1
        return self._offsets[place] if place >= 0 else len(MAGIC)

    def _index(self, fd: int) -> None:
        """Find out where about the records lie, from their frames."""
        if self._indexed:
            return
        self._check_magic(fd)
        offsets: list[int] = []
        sequences: list[int] = []
        last = None
        for offset, last in hop(fd, len(MAGIC), self.size):
            if not offsets or offset - offsets[-1] >= _INDEX_EVERY_BYTES:
                offsets.append(offset)
                sequences.append(last.sequence)
        self._offsets, self._sequences = offsets, sequences
        if last is not None:
            self.last_sequence, self.last_time_us = last.sequence, last.time_us
        self._indexed = True

    def _check_magic(self, fd: int) -> None:
        if os.pread(fd, len(MAGIC), 0) != MAGIC:
            message = f"{self.path.name} is no segment of a log"
            raise LogCorrupt(message)
