"""What a log asks of the operating system."""

from __future__ import annotations

import fcntl
import os
from typing import TYPE_CHECKING, Final

from catenary_recordlog.errors import LogLocked, disk_error
from catenary_recordlog.framing import MAGIC, byte_length
from catenary_recordlog.segment import SUFFIX, Segment

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from catenary_recordlog.framing import Buffer

_LOCK_NAME: Final = "lock"
_MOST_BUFFERS: Final = 1024


def make_locked(folder: Path) -> int:
    """Make a folder if need be and lock it for this writer; the descriptor holds the lock.

    Raises:
        LogLocked, LogFull, LogFailed.
    """
    try:
        if not folder.is_dir():
            folder.mkdir(parents=True, exist_ok=True)
            sync_folder(folder.parent)
        fd = os.open(folder / _LOCK_NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise disk_error(error, f"opening {folder.name}") from error
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(fd)
        message = f"{folder.name} is being written by somebody else"
        raise LogLocked(message) from error
    return fd


def find_segments(folder: Path) -> list[Segment]:
    """The segments of a folder in the order of their sequences; one that was only just begun is left out."""
    sizes = {path: path.stat().st_size for path in sorted(folder.glob(f"*{SUFFIX}"))}
    return [Segment(path, size) for path, size in sizes.items() if size >= len(MAGIC)]


def sweep(folder: Path) -> None:
    """Remove segments that a crash left before they had begun."""
    for path in folder.glob(f"*{SUFFIX}"):
        if path.stat().st_size < len(MAGIC):
            path.unlink()


def make_segment(path: Path) -> int:
    """Begin a segment, durably: its name and its first bytes survive a crash."""
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        write_all(fd, [MAGIC], 0)
        os.fdatasync(fd)
        sync_folder(path.parent)
    except BaseException:
        os.close(fd)
        path.unlink(missing_ok=True)
        raise
    return fd


def write_all(fd: int, buffers: Sequence[Buffer], offset: int) -> None:
    """Write buffers one after the other at an offset, without joining them."""
    left: list[Buffer] = list(buffers)
    while left:
        written = os.pwritev(fd, left[:_MOST_BUFFERS], offset)
        offset += written
        left = _after(left, written)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def remove(path: Path) -> None:
    """Remove a file, which may be gone already."""
    path.unlink(missing_ok=True)


def _after(buffers: list[Buffer], written: int) -> list[Buffer]:
    """What is left of buffers when so many bytes of them are written."""
    for place, buffer in enumerate(buffers):
        length = byte_length(buffer)
        if written < length:
            return [memoryview(buffer).cast("B")[written:], *buffers[place + 1 :]]
        written -= length
    return []
