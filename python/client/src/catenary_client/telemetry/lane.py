"""A queue on the disk that thins itself when it grows too large."""

from __future__ import annotations

import contextlib
import itertools
from typing import TYPE_CHECKING, Final, NamedTuple

from catenary_client.telemetry.records import Kind
from catenary_recordlog import FRAME_BYTES, LogFull, RecordLog

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from catenary_recordlog import Record

LEVELS: Final = 5
"""Levels of a lane that thins itself: whole, a half, a quarter, an eighth of the batches with images, none."""

_WITH_IMAGES: Final = frozenset({Kind.IMAGES, Kind.RAW_IMAGES})


class Spilled(NamedTuple):
    """One record of a lane."""

    number: int
    kind: Kind
    payload: bytes


class Lane:
    """Records on the disk, first in first out, that are read once and removed when they are durable elsewhere.

    New records go to level 0. Thinning moves the oldest segment of a level to the next one and takes the images out of
    every second batch, so that the oldest part is the thinnest, and evenly so.

    Args:
        folder: holds one log for each level.
        segment_bytes: what thinning and removing work on at a time.
        cursor: number of the last record that needs no more reading.
    """

    def __init__(self, folder: Path, segment_bytes: int, *, levels: int = 1, cursor: int = 0) -> None:
        self._segment_bytes = segment_bytes
        with contextlib.ExitStack() as opened:
            self._levels = [
                opened.enter_context(RecordLog.open(folder / str(level), segment_bytes=segment_bytes))
                for level in range(levels)
            ]
            opened.pop_all()
        self._last = max(cursor, *(log.last_sequence for log in self._levels))
        self._cursor = cursor
        self._reading: Iterator[Record] | None = None

    @property
    def waits(self) -> bool:
        """Whether there are records that were not read."""
        return self._cursor < self._last

    @property
    def cursor(self) -> int:
        """Number of the last record that was read."""
        return self._cursor

    @property
    def waiting_count(self) -> int:
        """Records that were not read."""
        return self._last - self._cursor

    @property
    def size_bytes(self) -> int:
        """Bytes on the disk."""
        return sum(log.size_bytes for log in self._levels)

    def append(self, kind: Kind, parts: Sequence[bytes]) -> None:
        """Add a record.

        Raises:
            LogFull, LogFailed: as `RecordLog.append`; the lane is as before.
        """
        self._levels[0].append(self._last + 1, kind, parts)
        self._last += 1

    def take(self) -> Spilled | None:
        """Read the oldest record that was not read.

        Raises:
            LogCorrupt: if it is damaged.
        """
        while self.waits:
            if self._reading is None:
                # The oldest level first; each begins to be read where the one before it ended.
                self._reading = itertools.chain.from_iterable(log.read(self._cursor) for log in reversed(self._levels))
            record = next(self._reading, None)
            if record is not None:
                self._cursor = record.sequence
                return Spilled(record.sequence, Kind(record.kind), record.payload)
            if max(log.last_sequence for log in self._levels) <= self._cursor:
                break
            self._reading = None
        return None

    def release_through(self, number: int) -> None:
        """Remove what is no longer needed; whole segments at a time."""
        for log in self._levels:
            if (log.first_sequence or number + 1) <= number:
                log.drop_through(number)

    def thin(self, strip: Callable[[bytes], Sequence[bytes]]) -> int:
        """Make room: every second batch of the oldest segment of the largest level loses its images.

        Args:
            strip: takes the images out of a record.

        Returns:
            How many lost them; fewer than could if there was no room to write down even what is left.

        Raises:
            LogFailed: if the disk failed.
        """
        sizes = [log.size_bytes for log in self._levels[:-1]]
        source, target = self._levels[sizes.index(max(sizes))], self._levels[sizes.index(max(sizes)) + 1]
        stripped = moved = 0
        for place, record in enumerate(self._oldest_segment(source)):
            if record.sequence > target.last_sequence:  # else an earlier thinning has moved it, and found no more room
                kind = Kind(record.kind)
                parts: Sequence[bytes] = (record.payload,)
                loses = (place % 2 == 1 or target is self._levels[-1]) and record.sequence > self._cursor
                if loses and kind in _WITH_IMAGES:
                    kind, parts = Kind.BATCH, strip(record.payload)
                try:
                    target.append(record.sequence, kind, parts)
                except LogFull:
                    break
                stripped += kind != record.kind
            moved = record.sequence
        self._reading = None
        if moved:
            source.drop_through(moved)
        return stripped

    def close(self) -> None:
        """Make everything durable and release the files."""
        for log in self._levels:
            log.close()

    def _oldest_segment(self, log: RecordLog) -> list[Record]:
        records: list[Record] = []
        size = 0
        for record in log.read():
            records.append(record)
            size += FRAME_BYTES + len(record.payload)
            if size + FRAME_BYTES >= self._segment_bytes:
                break
        return records
