"""Points in time and durations: seconds inside, messages of their own on the wire."""

from __future__ import annotations

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

_NANOSECONDS = 1_000_000_000


def timestamp(unix_seconds: float) -> Timestamp:
    """A point in time."""
    message = Timestamp()
    message.FromNanoseconds(round(unix_seconds * _NANOSECONDS))
    return message


def duration(seconds: float) -> Duration:
    """A length of time."""
    message = Duration()
    message.FromNanoseconds(round(seconds * _NANOSECONDS))
    return message


def seconds(message: Duration) -> float:
    """A length of time in seconds."""
    return message.ToNanoseconds() / _NANOSECONDS
