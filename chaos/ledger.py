"""What the store must have: each record that was acknowledged, once, in order."""

from __future__ import annotations

import dataclasses
import itertools
from typing import TYPE_CHECKING, Final

from catenary.telemetry.v1 import stream_pb2
from catenary_recordlog import RecordReader
from chaos.processes import Broken

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_SAID_BY_TRAINING: Final = range(1, 32)
"""Kinds of records that hold a message of the training."""


@dataclasses.dataclass(frozen=True, slots=True)
class Stored:
    """What a log holds, in its order.

    Attributes:
        sequences: of all messages.
        batches: steps of the batches that have all their images.
        scalars: steps of the scalars.
        bare: steps of the batches that have none.
        dropped: batches with images that gaps say are missing.
    """

    sequences: list[int]
    batches: list[int]
    scalars: list[int]
    bare: list[int] = dataclasses.field(default_factory=list)
    dropped: int = 0

    @classmethod
    def read(cls, folder: Path, tiles: int) -> Stored:
        """Read a log; also one that a server writes now."""
        stored, dropped = cls([], [], []), 0
        for record in RecordReader.open(folder).read():
            if record.kind not in _SAID_BY_TRAINING:
                continue
            message = stream_pb2.StreamTelemetryRequest.FromString(record.payload)
            gap, images = message.gap, message.batch_data.images
            # A gap stands for each message that is missing, and for itself.
            stored.sequences.extend(range(message.sequence, max(gap.to_sequence, message.sequence) + 1))
            dropped += gap.dropped_count
            if message.HasField("batch_data") and len(images) in (0, tiles):
                (stored.batches if images else stored.bare).append(message.batch_data.global_step)
            samples = message.metric_batch.samples
            stored.scalars.extend(each.global_step for each in samples if each.metric_name == "step")
        return dataclasses.replace(stored, dropped=dropped)

    def check_order(self) -> None:
        """Each message once, in order, and none missing between two.

        Raises:
            Broken: if not.
        """
        _contiguous("sequences", self.sequences, 1, len(self.sequences))
        for name, steps in (("batches", self.batches), ("scalars", self.scalars)):
            wrong = next((pair for pair in itertools.pairwise(steps) if pair[0] >= pair[1]), None)
            if wrong:
                raise Broken(f"{name}: step {wrong[1]} came behind {wrong[0]}")

    def check_complete(self, last_step: int) -> None:
        """Everything that was logged; of the images, all but those that the log itself says are missing.

        Raises:
            Broken: if anything else is missing.
        """
        _contiguous("batches", sorted([*self.batches, *self.bare]), 1, last_step)
        _contiguous("scalars", self.scalars, 1, last_step)
        if len(self.bare) != self.dropped:
            raise Broken(f"{len(self.bare)} batches have no images, and gaps speak of {self.dropped}")

    def check_begins_with(self, earlier: Stored) -> None:
        """Everything that was there before is where it was.

        Raises:
            Broken: if not.
        """
        for name in ("sequences", "batches", "scalars"):
            before = getattr(earlier, name)
            if getattr(self, name)[: len(before)] != before:
                raise Broken(f"{name} that were stored are not what they were")


def _contiguous(name: str, found: Sequence[int], first: int, last: int) -> None:
    wanted = range(first, last + 1)
    if len(found) == len(wanted) and all(map(int.__eq__, found, wanted)):
        return
    missing, extra = set(wanted) - set(found), len(found) - len(set(found))
    raise Broken(
        f"{name}: {len(missing)} of {len(wanted)} are missing ({sorted(missing)[:5]} ...), {extra} are there twice, "
        f"{len(set(found) - set(wanted))} are strange"
    )
