"""A segmented append-only log of records: checksums, group commit, recovery from torn ends, retention."""

from catenary_recordlog.commit import GroupCommit
from catenary_recordlog.draft import Draft
from catenary_recordlog.errors import (
    LogClosed,
    LogCorrupt,
    LogError,
    LogFailed,
    LogFull,
    LogLocked,
    SequenceNotRising,
)
from catenary_recordlog.framing import FRAME_BYTES, Record
from catenary_recordlog.log import SEGMENT_BYTES, Dropped, RecordLog
from catenary_recordlog.reader import RecordReader

__all__ = [
    "FRAME_BYTES",
    "SEGMENT_BYTES",
    "Draft",
    "Dropped",
    "GroupCommit",
    "LogClosed",
    "LogCorrupt",
    "LogError",
    "LogFailed",
    "LogFull",
    "LogLocked",
    "Record",
    "RecordLog",
    "RecordReader",
    "SequenceNotRising",
]
