"""Faults of the log and the index as failures that a client can be told."""

from __future__ import annotations

import contextlib
import sqlite3
from typing import TYPE_CHECKING

from catenary_recordlog import LogCorrupt, LogError, LogFull, LogLocked
from catenary_server.domain.failure import Failure, Reason

if TYPE_CHECKING:
    from collections.abc import Iterator

RETRY_AFTER_SECONDS = 1.0
"""Trying again costs reading the newest segment of a log, so that it may be tried soon."""


def log_failure(error: LogError) -> Failure:
    """What a client learns about a fault of a log."""
    if isinstance(error, LogFull):
        return Failure(
            Reason.DISK_FULL,
            "the disk of the server is full; keep what is not durable and send it again later",
            retry_after=RETRY_AFTER_SECONDS,
        )
    if isinstance(error, LogCorrupt):
        return Failure(Reason.ARTIFACT_CORRUPT, "the log of this run is damaged; its later part can still be read")
    if isinstance(error, LogLocked):
        return Failure(Reason.STATE_INVALID, "another server uses this telemetry folder; give each its own")
    return Failure(
        Reason.STORAGE_IO,
        "the disk of the server failed; keep what is not durable and send it again later",
        retry_after=RETRY_AFTER_SECONDS,
    )


@contextlib.contextmanager
def log_faults() -> Iterator[None]:
    """Turn errors of a log into failures."""
    try:
        yield
    except LogError as error:
        raise log_failure(error) from error


@contextlib.contextmanager
def index_faults() -> Iterator[None]:
    """Turn errors of the index into failures."""
    try:
        yield
    except sqlite3.OperationalError as error:
        full = getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL
        reason = Reason.DISK_FULL if full else Reason.STORAGE_IO
        raise Failure(reason, "the index of telemetry cannot be used now", retry_after=RETRY_AFTER_SECONDS) from error
