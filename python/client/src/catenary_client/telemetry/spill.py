"""What a run keeps on the disk while the server is away, so that it is sent later, once.

Folder of a run: `run.json` (who writes, where to, with which token), `small/` and `images/` (lanes, in the order of
logging), `sent/` (how far the lanes were read by each sequence, written before it is sent) and `pending/` (what was
sent and not acknowledged when the run was closed). What is here survives the process; closing makes it survive the
machine.
"""

from __future__ import annotations

import base64
import contextlib
import dataclasses
import fcntl
import json
import os
import shutil
import struct
from typing import TYPE_CHECKING, Final, NamedTuple

from catenary.telemetry.v1 import registration_pb2
from catenary_client.telemetry.faults import TelemetryError
from catenary_client.telemetry.lane import LEVELS, Lane, Spilled
from catenary_client.telemetry.records import Kind
from catenary_recordlog import LogFull, RecordLog

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from catenary_client.telemetry.messages import Outgoing
    from catenary_recordlog import Record

_IDENTITY_NAME: Final = "run.json"
_LOCK_NAME: Final = "lock"
_CURSORS: Final = struct.Struct("<QQ")
_COUNT: Final = struct.Struct("<Q")
_PENDING: Final = struct.Struct("<Qq")
_JOURNAL_SEGMENT_BYTES: Final = 1 << 20


class SpillInUse(TelemetryError):
    """Another process writes this run."""


@dataclasses.dataclass(frozen=True, slots=True)
class RunIdentity:
    """What it takes to go on writing a run."""

    run_id: str
    server: str
    """Address of the server that the run was meant for."""
    client_name: str = ""
    resume_token: str = ""
    """Empty before the first registration."""
    tags: dict[str, str] = dataclasses.field(default_factory=dict)
    unanswered: str = ""
    """A registration whose answer the process has not heard yet, in base64; empty if it has heard all."""

    @property
    def unanswered_request(self) -> registration_pb2.RegisterTrainingSessionRequest | None:
        """That registration; None if there is none."""
        if not self.unanswered:
            return None
        return registration_pb2.RegisterTrainingSessionRequest.FromString(base64.b64decode(self.unanswered))


class Pending(NamedTuple):
    """A message that was sent and not acknowledged by an earlier process."""

    sequence: int
    kind: Kind
    dropped: int
    """For a gap, the messages that were dropped; else 0."""
    batch_index: int
    payload: bytes


class _Files(NamedTuple):
    """What is open of a folder."""

    journal: RecordLog
    small: Lane
    images: Lane

    def note(self, sequence: int) -> None:
        """Write down how far the lanes were read by a sequence."""
        self.journal.append(sequence, 0, (_CURSORS.pack(self.small.cursor, self.images.cursor),))


class Spill:
    """The folder of one run. One process uses it at a time; its callers take turns.

    Args:
        folder: of this run and nothing else; made if need be.
        image_bytes: room for batches with images.
        small_bytes: room for the rest.
        segment_bytes: size of one file.

    Raises:
        SpillInUse: if another process uses the folder.
        OSError: if it cannot be made.
    """

    def __init__(self, folder: Path, *, image_bytes: int, small_bytes: int, segment_bytes: int) -> None:
        self.folder = folder
        self._image_bytes = image_bytes
        self._small_bytes = small_bytes
        self._segment_bytes = min(segment_bytes, max(image_bytes // 8, 1))
        self._lock = _lock(folder)
        self._files: _Files | None = None
        if (folder / "sent").exists():
            # Roughly where it stands, which `resume` makes exact; above all, no number is given twice.
            self._open(*_last_cursors(folder / "sent"))

    @property
    def used_bytes(self) -> int:
        """Bytes on the disk."""
        return 0 if self._files is None else self._files.small.size_bytes + self._files.images.size_bytes

    @property
    def waiting_count(self) -> int:
        """Messages on the disk that were not sent."""
        return 0 if self._files is None else self._files.small.waiting_count + self._files.images.waiting_count

    @property
    def waiting_images(self) -> int:
        """Those of them that are batches with images."""
        return 0 if self._files is None else self._files.images.waiting_count

    @property
    def small_waits(self) -> bool:
        """Whether there are messages without images that were not sent."""
        return self._files is not None and self._files.small.waits

    @property
    def images_wait(self) -> bool:
        """Whether there are batches with images that were not sent."""
        return self._files is not None and self._files.images.waits

    def take_small(self) -> Spilled | None:
        """Read the oldest message without images that was not read."""
        return None if self._files is None else self._files.small.take()

    def take_images(self) -> Spilled | None:
        """Read the oldest batch with images that was not read; it may have lost them."""
        return None if self._files is None else self._files.images.take()

    def identify(self, identity: RunIdentity) -> None:
        """Note who writes, in a file that only this user can read: it holds the token."""
        target = self.folder / _IDENTITY_NAME
        fresh = target.with_suffix(".new")
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as stream:
            json.dump(dataclasses.asdict(identity), stream)
        fresh.replace(target)

    def keep_small(self, message: Outgoing) -> bool:
        """Add anything but images; False without room."""
        try:
            small = self._opened().small
            if small.size_bytes + message.size > self._small_bytes:
                return False
            small.append(message.kind, message.parts)
        except LogFull:
            return False
        return True

    def keep_images(self, message: Outgoing, strip: Callable[[bytes], Sequence[bytes]]) -> tuple[bool, int]:
        """Add a batch with images, and thin older ones if it takes that.

        Returns:
            Whether there was room, and how many batches lost their images for it, of which `note_dropped` leaves word.
        """
        thinned = 0
        try:
            images = self._opened().images
            if images.size_bytes + message.size > self._image_bytes:
                thinned = images.thin(strip)
            if images.size_bytes + message.size > self._image_bytes + self._segment_bytes:
                return False, thinned
            images.append(message.kind, message.parts)
        except LogFull:
            return False, thinned
        return True, thinned

    def note_dropped(self, count: int) -> None:
        """Leave word that batches lost their images; it becomes a gap in the lane of small messages.

        Raises:
            LogFull: if there is no room even for that.
        """
        if count:
            self._opened().small.append(Kind.GAP, (_COUNT.pack(count),))

    def note_sent(self, sequence: int) -> None:
        """Leave word that everything read from the lanes until now has this sequence or a lower one.

        Raises:
            LogFull: without room. A process that is killed before there is room leaves its successor in doubt about
                what was read since the last word.
        """
        if self._files is None:
            return
        if sequence <= self._files.journal.last_sequence:
            self._start_journal_over()
        self._files.note(sequence)

    def release(self, *, small: int, images: int) -> None:
        """Remove what is durable at the server, by the numbers of the records."""
        if self._files is not None and small:
            self._files.small.release_through(small)
        if self._files is not None and images:
            self._files.images.release_through(images)

    def resume(self, resume_from: int | None) -> list[Pending]:
        """Go on after an earlier process.

        Args:
            resume_from: first sequence that the server does not have; None when it does not number.

        Returns:
            What that process had sent without an acknowledgement, in the order of their sequences.
        """
        pending = self._read_pending()
        if self._files is None:
            return pending
        journal = self._files.journal
        known = pending[-1].sequence if pending else 0
        done = journal.last_sequence if resume_from is None else max(resume_from - 1, known)
        small = images = 0
        for record in journal.read():
            if record.sequence <= done:
                small, images = _CURSORS.unpack(record.payload)
        self._close_files()
        shutil.rmtree(self.folder / "sent")
        self._open(small, images)
        if done:
            self.note_sent(done)
        return pending

    def leave(self, pending: Iterable[tuple[int, Outgoing]]) -> None:
        """Keep what was sent and not acknowledged, for a later process."""
        messages = list(pending)
        if not messages:
            return
        shutil.rmtree(self.folder / "pending", ignore_errors=True)
        with RecordLog.open(self.folder / "pending") as log:
            for sequence, message in messages:
                facts = _PENDING.pack(message.count, message.batch_index)
                log.append(sequence, message.kind, (facts, *message.parts))

    def close(self) -> None:
        """Make everything survive the machine, and let another process in."""
        self._close_files()
        os.close(self._lock)

    def delete(self) -> None:
        """Remove the folder: everything is durable at the server."""
        self._close_files()
        shutil.rmtree(self.folder, ignore_errors=True)
        os.close(self._lock)

    def _read_pending(self) -> list[Pending]:
        folder = self.folder / "pending"
        if not folder.exists():
            return []
        with RecordLog.open(folder) as log:
            return [_pending(record) for record in log.read()]

    def _start_journal_over(self) -> None:
        """The server lost what it had, and sequences begin lower again."""
        files = self._opened()
        files.journal.delete()
        journal = RecordLog.open(self.folder / "sent", segment_bytes=_JOURNAL_SEGMENT_BYTES)
        self._files = files._replace(journal=journal)

    def _opened(self) -> _Files:
        return self._files or self._open()

    def _open(self, small: int = 0, images: int = 0) -> _Files:
        """Open the lanes after the numbers that need no more reading."""
        with contextlib.ExitStack() as opened:
            files = _Files(
                opened.enter_context(RecordLog.open(self.folder / "sent", segment_bytes=_JOURNAL_SEGMENT_BYTES)),
                opened.enter_context(
                    contextlib.closing(Lane(self.folder / "small", self._segment_bytes, cursor=small)),
                ),
                Lane(self.folder / "images", self._segment_bytes, levels=LEVELS, cursor=images),
            )
            opened.pop_all()
        self._files = files
        return files

    def _close_files(self) -> None:
        if self._files is not None:
            for log in self._files:
                log.close()
        self._files = None


def _pending(record: Record) -> Pending:
    dropped, batch_index = _PENDING.unpack_from(record.payload)
    return Pending(record.sequence, Kind(record.kind), dropped, batch_index, record.payload[_PENDING.size :])


def _last_cursors(folder: Path) -> tuple[int, int]:
    small = images = 0
    with RecordLog.open(folder) as journal:
        for record in journal.read(journal.last_sequence - 1 if journal.last_sequence else 0):
            small, images = _CURSORS.unpack(record.payload)
    return small, images


def encoded(request: registration_pb2.RegisterTrainingSessionRequest | None) -> str:
    """A registration as `RunIdentity.unanswered` has it."""
    return "" if request is None else base64.b64encode(request.SerializeToString()).decode()


def dropped_count(payload: bytes) -> int:
    """What `Spill.note_dropped` wrote."""
    count: int = _COUNT.unpack(payload)[0]
    return count


def read_identity(folder: Path) -> RunIdentity | None:
    """Who wrote the run of a folder; None when it says nothing that can be understood."""
    try:
        return RunIdentity(**json.loads((folder / _IDENTITY_NAME).read_text()))
    except (OSError, ValueError, TypeError):
        return None


def _lock(folder: Path) -> int:
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    descriptor = os.open(folder / _LOCK_NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(descriptor)
        raise SpillInUse(f"another process writes the run in {folder}") from error
    return descriptor
