"""What was logged and has no sequence yet: in memory, and before that on the disk."""

from __future__ import annotations

import dataclasses
import logging
from typing import TYPE_CHECKING, Final

from catenary.telemetry.v1 import stream_pb2
from catenary_client.telemetry.messages import LARGEST_METRIC_BATCH, Outgoing
from catenary_client.telemetry.records import Batch, Event, Kind, Scalars
from catenary_client.telemetry.spill import dropped_count
from catenary_client.telemetry.tiles import SeenTiles
from catenary_recordlog import LogError, LogFull

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from catenary_client.telemetry.lane import Spilled
    from catenary_client.telemetry.messages import MessageBuilder
    from catenary_client.telemetry.records import Small
    from catenary_client.telemetry.ring import Ring
    from catenary_client.telemetry.spill import Pending, Spill

_LOG = logging.getLogger(__name__)
_PROPOSAL_KINDS: Final = frozenset({Kind.EVENT, Kind.PERFORMANCE, Kind.BATCH, Kind.IMAGES})


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What a server asks of the writer of a run.

    Attributes:
        writer_epoch: 0 for a server that does not number, as in the telemetry proposal.
        resume_from: first sequence that the server does not have.
    """

    writer_epoch: int = 0
    resume_from: int = 1
    heartbeat_seconds: float = 2.0
    most_messages: int = 1000
    most_message_bytes: int = 4 << 20
    most_images: int = 16
    most_pixels: int = 512

    @property
    def numbered(self) -> bool:
        """Whether the server knows sequences."""
        return self.writer_epoch > 0

    def carries(self, kind: Kind) -> bool:
        """Whether the server understands a kind of message; those of the telemetry proposal know fewer."""
        return self.numbered or kind in _PROPOSAL_KINDS


@dataclasses.dataclass(slots=True)
class Next:
    """A message that is to get the next sequence, and the number of its record if it comes from the disk."""

    message: Outgoing
    small_number: int = 0
    image_number: int = 0


class Backlog:
    """Small messages, and batches with images; each lane first in first out, its older part on the disk.

    Not for several threads at once.

    Args:
        ring: what the training thread logged.
        builder: makes messages of it.
        spill: room on the disk; None when there is none.
    """

    def __init__(self, ring: Ring, builder: MessageBuilder, spill: Spill | None) -> None:
        self.performance: Event | None = None
        self.dropped_images = 0
        self.abandoned = 0
        """Messages without images on a disk that failed before they were sent."""
        self.unsupported = 0
        self._ring = ring
        self._builder = builder
        self._spill = spill
        self._seen = SeenTiles()
        self._held: Outgoing | None = None
        self._unreported_drops = 0
        self._refused_before = 0
        self._unnoted = 0

    @property
    def waits(self) -> bool:
        """Whether there is anything to send."""
        in_memory = self._ring.small_count or self._ring.image_count or self.performance or self._held
        on_disk = self._spill is not None and (self._spill.small_waits or self._spill.images_wait)
        return bool(in_memory or on_disk or self._unreported_drops)

    @property
    def count(self) -> int:
        """Messages that wait; scalars in memory count each."""
        on_disk = 0 if self._spill is None else self._spill.waiting_count
        return self._ring.small_count + self._ring.image_count + on_disk + (self._held is not None)

    @property
    def spilled_bytes(self) -> int:
        """Bytes on the disk."""
        return 0 if self._spill is None else self._spill.used_bytes

    def next_small(self, terms: Terms) -> Next | None:
        """The next message without images: as logged, then what was dropped, then the newest figures of speed."""
        while (found := self._oldest_small()) is not None:
            if terms.carries(found.message.kind):
                return found
            self._leave_out(found.message.kind)
        drops, self._unreported_drops = self._unreported_drops, 0
        if drops and terms.carries(Kind.GAP):
            return Next(Outgoing(Kind.GAP, (), count=drops))
        event, self.performance = self.performance, None
        return None if event is None else Next(self._builder.event(event))

    def next_images(self, terms: Terms) -> Next | None:
        """The next batch with images; None while it is being encoded."""
        spilled = None if self._spill is None else self._read(self._spill.take_images)
        if spilled is not None:
            return Next(self._revived(spilled, terms), image_number=spilled.number)
        batch = self._ring.image_at(0)
        if batch is None or not batch.ready:
            return None
        self._ring.take_image()
        message = self._builder.batch(batch, self._seen if terms.numbered else None, most_images=terms.most_images)
        if message.size <= terms.most_message_bytes:
            return Next(message)
        _LOG.warning("batch %d has %d bytes, more than the server takes: without its images", batch.index, message.size)
        self._seen.forget()
        self._dropped(1)
        return Next(self._builder.batch(batch, None, most_images=0))

    def use_pixels(self, pixels: int) -> None:
        """Encode images no larger than this from now on."""
        self._builder.pixels = pixels

    def forget_tiles(self) -> None:
        """Send every image in full again."""
        self._seen.forget()

    def count_refused(self) -> None:
        """Count the batches whose images found no room in the ring."""
        fresh = self._ring.refused_images - self._refused_before
        self._refused_before += fresh
        self._dropped(fresh)

    def to_encode(self, most: int) -> list[Batch]:
        """Those of the oldest batches whose images nobody encodes yet."""
        found = []
        for place in range(most):
            batch = self._ring.image_at(place)
            if batch is None:
                break
            if not batch.ready and not batch.submitted:
                batch.submitted = True
                found.append(batch)
        return found

    @property
    def may_wait(self) -> bool:
        """Whether logging waits for room, so that images need not go to the disk while they are being sent."""
        return self._ring.block

    def relieve(self, *, image_goal: int, small_goal: int) -> None:
        """Move the oldest to the disk while more bytes than these are in memory."""
        if self._spill is None:
            return
        if self._unnoted:
            self.note_sent(self._unnoted)
        try:
            while self._ring.image_count and self._ring.image_bytes > image_goal and self._spill_image(self._spill):
                pass
            while self._ring.small_count and self._ring.small_bytes > small_goal and self._spill_small(self._spill):
                pass
        except LogError as error:
            self._give_up_disk(error)

    def restore(self, resume_from: int | None) -> list[Pending]:
        """What an earlier process had sent without an acknowledgement."""
        if self._spill is None:
            return []
        try:
            return self._spill.resume(resume_from)
        except LogError as error:
            self._give_up_disk(error)
            return []

    def note_sent(self, sequence: int) -> None:
        """What was taken from the disk has this sequence or a lower one; noted later if there is no room now."""
        if self._spill is None:
            return
        try:
            self._spill.note_sent(sequence)
            self._unnoted = 0
        except LogFull as error:
            if not self._unnoted:
                _LOG.warning("what is sent cannot be noted: this process must not be killed now (%s)", error)
            self._unnoted = sequence
        except LogError as error:
            self._give_up_disk(error)

    def release(self, small: int, images: int) -> None:
        """Remove from the disk what is durable at the server."""
        if self._spill is not None and (small or images):
            self._spill.release(small=small, images=images)

    def leave(self, pending: Iterable[tuple[int, Outgoing]]) -> bool:
        """Move everything to the disk for a later process; whether it is all there."""
        self.relieve(image_goal=-1, small_goal=-1)
        if self._spill is None:
            return False
        try:
            self._spill.leave(pending)
            self._spill.note_dropped(self._unreported_drops)
        except LogError as error:
            self._give_up_disk(error)
            return False
        self._unreported_drops = 0
        return not (self._ring.small_count or self._ring.image_count or self._held)

    def _oldest_small(self) -> Next | None:
        spilled = None if self._spill is None else self._read(self._spill.take_small)
        if spilled is not None:
            if spilled.kind is Kind.GAP:
                return Next(Outgoing(Kind.GAP, (), count=dropped_count(spilled.payload)), small_number=spilled.number)
            message = Outgoing(spilled.kind, (spilled.payload,), batch_index=_batch_index(spilled))
            return Next(message, small_number=spilled.number)
        if self._held is not None:
            held, self._held = self._held, None
            return Next(held)
        item = self._ring.take_small()
        return None if item is None else Next(self._built(item))

    def _built(self, item: Small) -> Outgoing:
        """A message of what was taken from the ring; scalars that follow each other share one."""
        if isinstance(item, Event):
            return self._builder.event(item)
        if isinstance(item, Batch):
            return self._builder.batch(item, None, most_images=0)
        group, count = [item], len(item.values)
        while count < LARGEST_METRIC_BATCH and isinstance(following := self._ring.peek_small(), Scalars):
            self._ring.take_small()
            group.append(following)
            count += len(following.values)
        return self._builder.metrics(group)

    def _revived(self, spilled: Spilled, terms: Terms) -> Outgoing:
        if spilled.kind is Kind.RAW_IMAGES:
            return self._builder.revived(spilled.payload)
        # Only servers without sequences acknowledge by index; for the others a message is not parsed again.
        index = -1 if terms.numbered else _batch_index(spilled)
        return Outgoing(spilled.kind, (spilled.payload,), batch_index=index)

    def _spill_image(self, spill: Spill) -> bool:
        batch = self._ring.image_at(0)
        if batch is None:
            return False
        if batch.ready:
            message = self._builder.batch(batch, None, most_images=len(batch.tiles))
        else:
            message = self._builder.raw_batch(batch)
        kept, thinned = spill.keep_images(message, lambda payload: self._builder.without_images(payload).parts)
        self._thinned(spill, thinned)
        if kept:
            self._ring.take_image()
        return kept

    def _spill_small(self, spill: Spill) -> bool:
        if self._held is None:
            item = self._ring.take_small()
            if item is None:
                return False
            self._held = self._built(item)
        if not spill.keep_small(self._held):
            return False
        self._held = None
        return True

    def _read(self, take: Callable[[], Spilled | None]) -> Spilled | None:
        try:
            return take()
        except LogError as error:
            self._give_up_disk(error)
            return None

    def _thinned(self, spill: Spill, count: int) -> None:
        """Leave word of batches that lost their images on the disk; there, so that it outlives this process."""
        try:
            spill.note_dropped(count)
            self.dropped_images += count
        except LogFull:
            self._dropped(count)

    def _dropped(self, count: int) -> None:
        self._unreported_drops += count
        self.dropped_images += count

    def _leave_out(self, kind: Kind) -> None:
        if self.unsupported == 0:
            _LOG.warning("the server speaks the telemetry proposal, which has no %s: left out", kind.name.lower())
        self.unsupported += 1

    def _give_up_disk(self, error: LogError) -> None:
        """Go on in memory alone: a disk that fails must not stop the training."""
        _LOG.error("the spill cannot be used any more, telemetry goes on in memory: %s", error)
        spill, self._spill = self._spill, None
        if spill is not None:
            images = spill.waiting_images
            self._dropped(images)
            self.abandoned += spill.waiting_count - images


def _batch_index(spilled: Spilled) -> int:
    if spilled.kind not in (Kind.BATCH, Kind.IMAGES):
        return -1
    return stream_pb2.StreamTelemetryRequest.FromString(spilled.payload).batch_data.batch_idx
