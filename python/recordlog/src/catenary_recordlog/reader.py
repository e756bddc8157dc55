"""Reads a log, from any sequence on, also while it grows."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING, Self

from catenary_recordlog import files
from catenary_recordlog.errors import disk_error

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from types import TracebackType

    from catenary_recordlog.framing import Record
    from catenary_recordlog.segment import Segment


class RecordReader:
    """Records in the order of their rising sequences.

    `RecordReader.open` reads a log that another process may be writing; what is appended after that it does not see.
    """

    def __init__(self, folder: Path, segments: list[Segment]) -> None:
        self._folder = folder
        self._segments = segments
        self._last_sequence = 0
        self._closed = False
        self._changed = threading.Condition()

    @classmethod
    def open(cls, folder: Path) -> Self:
        """Read the log of a folder, up to an unfinished end.

        Raises:
            LogFailed: if the disk fails.
            LogCorrupt: if what is there is no log.
        """
        try:
            reader = cls(folder, files.find_segments(folder))
            if reader._segments:
                newest = reader._segments[-1]
                fd = os.open(newest.path, os.O_RDONLY | os.O_CLOEXEC)
                try:
                    reader._recover(newest, fd)
                finally:
                    os.close(fd)
        except OSError as error:
            raise disk_error(error, f"opening {folder.name}") from error
        return reader

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let whoever waits or follows go."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    @property
    def first_sequence(self) -> int | None:
        """Sequence of the oldest record; None in an empty log."""
        return self._segments[0].first_sequence if self._segments else None

    @property
    def last_sequence(self) -> int:
        """Sequence of the newest record, also when it was dropped since; 0 before the first."""
        return self._last_sequence

    @property
    def size_bytes(self) -> int:
        """Bytes on the disk."""
        return sum(segment.size for segment in self._segments)

    def read(self, after: int = 0) -> Iterator[Record]:
        """The records above a sequence that the log holds now; those that were dropped are missing.

        Raises:
            LogCorrupt: at a record that is damaged.
        """
        for segment in self._segments_after(after):
            try:
                yield from segment.read(after)
            except FileNotFoundError:
                continue  # dropped while we read the one before
            except OSError as error:
                raise disk_error(error, f"reading {segment.path.name}") from error

    def follow(self, after: int = 0, *, stopped: Callable[[], bool] = lambda: False) -> Iterator[Record]:
        """The records above a sequence, and every later one as it is appended; ends with the log or when `stopped`."""
        while True:
            for record in self.read(after):
                yield record
                after = record.sequence
            if stopped() or (not self.wait(after, timeout=0.1) and self._closed):
                return

    def wait(self, after: int, timeout: float | None = None) -> bool:
        """Wait until there is a record above a sequence; False if there is none at the end of the time or the log."""
        with self._changed:
            self._changed.wait_for(lambda: self._last_sequence > after or self._closed, timeout)
            return self._last_sequence > after

    def _recover(self, newest: Segment, fd: int) -> int:
        """Find the end of the log, the only place that may be unfinished; return its offset in the newest segment."""
        whole = newest.recover(fd)
        self._last_sequence = newest.last_sequence or newest.first_sequence - 1
        return whole

    def _segments_after(self, after: int) -> list[Segment]:
        segments = self._segments
        covered = sum(following.first_sequence <= after + 1 for following in segments[1:])
        return segments[covered:]
