"""A log in a folder: appending, making durable, dropping what is old."""

from __future__ import annotations

import dataclasses
import os
import shutil
import threading
from typing import TYPE_CHECKING, Final, Self

from catenary_recordlog import files
from catenary_recordlog.draft import Draft, lay_out
from catenary_recordlog.errors import LogClosed, LogError, LogFailed, disk_error
from catenary_recordlog.reader import RecordReader
from catenary_recordlog.segment import Segment, segment_path

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from catenary_recordlog.commit import GroupCommit
    from catenary_recordlog.framing import Buffer

SEGMENT_BYTES: Final = 128 << 20


@dataclasses.dataclass(frozen=True, slots=True)
class Dropped:
    """What a retention removed: whole segments."""

    segments: int
    size_bytes: int


def _ignore(_: object) -> None:
    """Tell nobody."""


class RecordLog(RecordReader):
    """A log that this process writes. Any thread may call anything. Open one with `RecordLog.open`.

    Attributes:
        on_durable: called with the durable sequence whenever it rose, in the thread that made it so; it must be quick
            and call nothing of the log.
        on_failure: called likewise, once, when the disk failed to make records durable.
        repaired_bytes: bytes of an unfinished end that opening cut off.
    """

    def __init__(
        self, folder: Path, segments: list[Segment], *, segment_bytes: int, commit: GroupCommit | None, lock_fd: int
    ) -> None:
        super().__init__(folder, segments)
        self.on_durable: Callable[[int], None] = _ignore
        self.on_failure: Callable[[LogError], None] = _ignore
        self.repaired_bytes = 0
        self._segment_bytes = segment_bytes
        self._commit = commit
        self._lock_fd = lock_fd
        self._fd = -1
        self._durable_sequence = 0
        self._failure: LogError | None = None
        # Taken in this order. Appending goes on while a sync is under way, except where a segment begins or ends.
        self._writing = threading.RLock()
        self._syncing = threading.RLock()

    @classmethod
    def open(cls, folder: Path, *, segment_bytes: int = SEGMENT_BYTES, commit: GroupCommit | None = None) -> Self:
        """Open the log of a folder, which is made if need be; an unfinished end is cut off.

        Args:
            folder: holds this log and nothing else.
            segment_bytes: size at which a new segment is begun.
            commit: makes appends durable; without one only `sync`, `close` and the end of a segment do.

        Raises:
            LogLocked: if another writer has it open.
            LogFull, LogFailed: if the disk is full or fails.
            LogCorrupt: if what is there is no log.
        """
        lock_fd = files.make_locked(folder)
        try:
            files.sweep(folder)
            segments = files.find_segments(folder)
            log = cls(folder, segments, segment_bytes=segment_bytes, commit=commit, lock_fd=lock_fd)
            log._resume()
        except OSError as error:
            os.close(lock_fd)
            raise disk_error(error, f"opening {folder.name}") from error
        except BaseException:
            os.close(lock_fd)
            raise
        return log

    @property
    def durable_sequence(self) -> int:
        """Everything up to this sequence survives a crash."""
        return self._durable_sequence

    def append(self, sequence: int, kind: int, buffers: Sequence[Buffer], *, time_us: int | None = None) -> None:
        """Add a record; its payload is the buffers, one after the other, which are not copied.

        Raises:
            As `append_all`.
        """
        self.append_all((Draft(sequence, kind, buffers, time_us),))

    def append_all(self, drafts: Sequence[Draft]) -> None:
        """Add records in one go: all of them, or none.

        Raises:
            SequenceNotRising: if a sequence is not above the one before.
            ValueError: if a kind, length or time is out of range.
            LogFull: without room; the log stays as it was.
            LogFailed: if the disk failed.
            LogClosed: after `close`.
        """
        if not drafts:
            return
        with self._writing:
            self._check_open()
            self._write(drafts)
        if self._commit is not None:
            self._commit.mark(self)

    def sync(self) -> int:
        """Make durable what was appended before the call, and return the durable sequence.

        Raises:
            LogFailed: if the disk could not; the log stays failed then.
        """
        with self._syncing:
            if self._failure is not None:
                raise self._failure
            sequence = self._last_sequence
            if sequence == self._durable_sequence or self._fd < 0:
                return self._durable_sequence
            try:
                os.fdatasync(self._fd)
            except OSError as error:
                raise self._fail(error, "making records durable") from error
            return self._now_durable(sequence)

    def drop_through(self, sequence: int) -> Dropped:
        """Remove the segments that hold nothing above a sequence, also the newest one.

        A log that became empty this way begins again at any sequence once it is opened anew.
        """
        with self._writing, self._syncing:
            dropped = self._drop(lambda segment: (segment.last_sequence or 0) <= sequence)
            if len(self._segments) != 1 or not 0 < self._last_sequence <= sequence:
                return dropped
            last = self._segments[0]
            self._segments = []
            os.close(self._fd)
            self._fd = -1
            files.remove(last.path)
            files.sync_folder(self._folder)
            self._now_durable(self._last_sequence)  # nothing is left that could be lost
            return Dropped(dropped.segments + 1, dropped.size_bytes + last.size)

    def retain(self, *, most_bytes: int | None = None, not_before_us: int | None = None) -> Dropped:
        """Remove the oldest segments while there are too many bytes, and those with nothing younger than a time.

        The newest segment always stays.
        """
        excess = 0 if most_bytes is None else max(self.size_bytes - most_bytes, 0)
        old = 0 if not_before_us is None else not_before_us
        removed = 0

        def wanted(segment: Segment) -> bool:
            nonlocal removed
            if removed >= excess and segment.last_time_us >= old:
                return False
            removed += segment.size
            return True

        return self._drop(wanted)

    def close(self) -> None:
        """Make everything durable and release the log; closing again does nothing.

        Raises:
            LogFailed: if the disk could not; the log is released all the same.
        """
        with self._writing, self._syncing:
            if self._closed:
                return
            try:
                if self._failure is None:
                    self.sync()
            finally:
                self._release()

    def delete(self) -> int:
        """Remove the log with its folder; return the bytes that are free again."""
        with self._writing, self._syncing:
            size = self.size_bytes
            if not self._closed:
                self._release()
            self._segments = []
            shutil.rmtree(self._folder)
            files.sync_folder(self._folder.parent)
            return size

    def _release(self) -> None:
        for fd in (self._fd, self._lock_fd):
            if fd >= 0:
                os.close(fd)
        self._fd = self._lock_fd = -1
        super().close()

    def _resume(self) -> None:
        """Go on after the last whole record."""
        if not self._segments:
            return
        newest = self._segments[-1]
        fd = os.open(newest.path, os.O_RDWR | os.O_CLOEXEC)
        try:
            found, whole = newest.size, self._recover(newest, fd)
            if whole < found:
                os.ftruncate(fd, whole)
            os.fdatasync(fd)  # what outlived a crash of the process need not be on the disk yet
        except BaseException:
            os.close(fd)
            raise
        self._fd = fd
        self.repaired_bytes = found - whole
        self._durable_sequence = self._last_sequence

    def _active(self, sequence: int) -> Segment:
        """The segment to append to; a new one when there is none or the newest is full."""
        if self._fd >= 0 and self._segments[-1].size < self._segment_bytes:
            return self._segments[-1]
        with self._syncing:
            if self._fd >= 0:
                self.sync()  # all but the newest segment are durable, hence whole after any crash
            path = segment_path(self._folder, sequence)
            fd = files.make_segment(path)
            if self._fd >= 0:
                os.close(self._fd)
            self._fd = fd
            self._segments = [*self._segments, Segment.fresh(path)]
        return self._segments[-1]

    def _write(self, drafts: Sequence[Draft]) -> None:
        batch = lay_out(drafts, self._last_sequence)
        try:
            segment = self._active(drafts[0].sequence)
            files.write_all(self._fd, batch.buffers, segment.size)
        except OSError as error:
            raise self._unwritten(error) from error
        start = segment.size
        segment.size += batch.size
        for offset, sequence, time_us in batch.places:
            segment.note(start + offset, sequence, time_us)
        with self._changed:
            self._last_sequence = drafts[-1].sequence
            self._changed.notify_all()

    def _now_durable(self, sequence: int) -> int:
        if sequence > self._durable_sequence:
            self._durable_sequence = sequence
            self.on_durable(sequence)
        return self._durable_sequence

    def _unwritten(self, error: OSError) -> LogError:
        """Take back a record that was written in part."""
        failure = disk_error(error, f"appending to {self._folder.name}")
        if self._fd >= 0 and self._segments:
            try:
                os.ftruncate(self._fd, self._segments[-1].size)
            except OSError as again:
                return self._fail(again, "taking back an unfinished record")
        return failure

    def _fail(self, error: OSError, doing: str) -> LogError:
        """Fail for good: after a failed sync nobody knows what of it is on the disk."""
        message = f"{doing} in {self._folder.name}: {error.strerror or error}"
        self._failure = LogFailed(message)
        self.on_failure(self._failure)
        return self._failure

    def _check_open(self) -> None:
        if self._failure is not None:
            raise self._failure
        if self._closed or self._lock_fd < 0:
            message = f"{self._folder.name} is not open for writing"
            raise LogClosed(message)

    def _drop(self, wanted: Callable[[Segment], bool]) -> Dropped:
        """Remove sealed segments from the oldest on, as long as they are wanted away."""
        with self._syncing:
            count = size = 0
            while len(self._segments) > 1:
                oldest = self._segments[0]
                if oldest.last_sequence is None:
                    oldest.survey()
                if not wanted(oldest):
                    break
                self._segments = self._segments[1:]
                files.remove(oldest.path)
                count, size = count + 1, size + oldest.size
            if count:
                files.sync_folder(self._folder)
            return Dropped(count, size)
