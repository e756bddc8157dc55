"""Records on their way into a log."""

from __future__ import annotations

import dataclasses
import time
from typing import TYPE_CHECKING

from catenary_recordlog.errors import SequenceNotRising
from catenary_recordlog.framing import (
    FRAME_BYTES,
    LARGEST_KIND,
    LARGEST_PAYLOAD,
    LARGEST_SEQUENCE,
    LARGEST_TIME_US,
    byte_length,
    pack_frame,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from catenary_recordlog.framing import Buffer


@dataclasses.dataclass(frozen=True, slots=True)
class Draft:
    """A record to append. `time_us` is when it happened, in microseconds since the Unix epoch; None is now."""

    sequence: int
    kind: int
    buffers: Sequence[Buffer]
    time_us: int | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class Batch:
    """Drafts as they will lie in a file."""

    buffers: list[Buffer]
    size: int
    """Bytes of all buffers."""
    places: list[tuple[int, int, int]]
    """Offset from the start of the batch, sequence and time of each record."""


def lay_out(drafts: Sequence[Draft], previous: int) -> Batch:
    """Frame drafts that follow a sequence.

    Raises:
        SequenceNotRising, ValueError: as `RecordLog.append_all`.
    """
    now = time.time_ns() // 1000
    buffers: list[Buffer] = []
    places: list[tuple[int, int, int]] = []
    size = 0
    for draft in drafts:
        time_us = now if draft.time_us is None else draft.time_us
        length = sum(map(byte_length, draft.buffers))
        _check(draft, previous, length, time_us)
        buffers += (pack_frame(draft.sequence, draft.kind, time_us, draft.buffers), *draft.buffers)
        places.append((size, draft.sequence, time_us))
        size += FRAME_BYTES + length
        previous = draft.sequence
    return Batch(buffers, size, places)


def _check(draft: Draft, previous: int, length: int, time_us: int) -> None:
    if not previous < draft.sequence <= LARGEST_SEQUENCE:
        message = f"sequence {draft.sequence} does not follow {previous}"
        raise SequenceNotRising(message)
    for name, value, largest in (
        ("kind", draft.kind, LARGEST_KIND),
        ("length", length, LARGEST_PAYLOAD),
        ("time", time_us, LARGEST_TIME_US),
    ):
        if not 0 <= value <= largest:
            message = f"the {name} of a record lies between 0 and {largest}, not at {value}"
            raise ValueError(message)
