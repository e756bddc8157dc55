"""What can go wrong with a log."""

from __future__ import annotations

import errno

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


class LogError(Exception):
    """Any failure of a log; the message names the file."""


class LogFull(LogError):
    """There is no room on the disk, in the quota or below the limit of file sizes. The log is as before the append."""


class LogFailed(LogError):
    """The disk failed. If `durable` is the last thing known to be safe, what came after it may be lost.

    A log that failed while it made records durable stays failed until it is opened again.
    """


class LogCorrupt(LogError):
    """Records that were safe once are damaged: the checksum is wrong before the end of the log."""


class LogLocked(LogError):
    """Another process, or another part of this one, writes this log."""


class LogClosed(LogError):
    """The log was closed."""


class SequenceNotRising(LogError, ValueError):
    """A sequence was appended that is not above the last one."""


def disk_error(error: OSError, doing: str) -> LogError:
    """The typed form of an error of the operating system."""
    message = f"{doing}: {error.strerror or error}"
    return LogFull(message) if error.errno in _FULL else LogFailed(message)
