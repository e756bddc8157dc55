"""What has a sequence and is not durable at the server yet."""

from __future__ import annotations

import dataclasses
import time
from collections import deque
from typing import TYPE_CHECKING, NamedTuple

from catenary_client.telemetry.records import Kind

if TYPE_CHECKING:
    from collections.abc import Iterator

    from catenary_client.telemetry.messages import Outgoing


@dataclasses.dataclass(slots=True)
class Sent:
    """A message with its sequence.

    Attributes:
        small_number: number of its record in the spill's lane of small messages; 0 when it is not from there.
        image_number: the same for the lane of batches with images.
        size: bytes of the message.
        sent_at: monotonic time at which it was sent last.
    """

    sequence: int
    message: Outgoing
    small_number: int = 0
    image_number: int = 0
    size: int = 0
    sent_at: float = 0.0

    @property
    def last_sequence(self) -> int:
        """Last sequence that it takes: a gap takes one for each message that was dropped."""
        return self.sequence + max(self.message.count, 1) - 1


class Released(NamedTuple):
    """Numbers of the newest records of the spill that are no longer needed; 0 when there are none."""

    small: int
    images: int


class Flight:
    """Messages with sequences: waiting to be sent again, sent, received.

    The order of sequences is the order in which messages are sent, also when they are sent again.

    Args:
        image_window: batches with images that may be sent and not received.
    """

    def __init__(self, image_window: int) -> None:
        self.next_sequence = 1
        self.image_window = image_window
        self.byte_window = 0
        """Bytes that may be sent and not received; 0 when there is no bound."""
        self._waiting: deque[Sent] = deque()
        self._flying: deque[Sent] = deque()
        self._landed: deque[Sent] = deque()
        self._flying_images = 0
        self._flying_bytes = 0
        self.unacknowledged_bytes = 0

    def __len__(self) -> int:
        return len(self._waiting) + len(self._flying) + len(self._landed)

    def __iter__(self) -> Iterator[Sent]:
        """Everything, in the order of sequences."""
        yield from self._landed
        yield from self._flying
        yield from self._waiting

    @property
    def oldest_flying(self) -> Sent | None:
        """What waits longest for the server to say that it arrived."""
        return self._flying[0] if self._flying else None

    def restore(self, sent: Sent) -> None:
        """Add what an earlier process had sent, to be sent again."""
        self._waiting.append(sent)
        self.unacknowledged_bytes += sent.size
        self.next_sequence = sent.last_sequence + 1

    def restart(self, resume_from: int | None) -> Released:
        """Begin a new stream: what is not durable is sent again.

        Args:
            resume_from: first sequence that the server does not have; None when it does not number.
        """
        self._waiting = deque(self)
        for sent in self._waiting:
            self._put_in_full(sent)
        self._flying.clear()
        self._landed.clear()
        self._flying_images = self._flying_bytes = 0
        if resume_from is None:
            return Released(0, 0)
        released = self._release_while(self._waiting, resume_from - 1)
        first = self._waiting[0].sequence if self._waiting else self.next_sequence
        if first != resume_from:
            self._renumber(resume_from)
        return released

    def has_room(self, *, images: bool, most_messages: int, most_bytes: int) -> bool:
        """Whether another message may be sent."""
        if len(self._flying) + len(self._landed) >= most_messages:
            return False
        if not images:
            return True
        return (
            self._flying_images < self.image_window
            and self.unacknowledged_bytes < most_bytes
            and not (self.byte_window and self._flying_bytes >= self.byte_window)
        )

    @property
    def waiting(self) -> Sent | None:
        """What has to be sent again first."""
        return self._waiting[0] if self._waiting else None

    def resend(self) -> Sent:
        """Take what has to be sent again first."""
        sent = self._waiting.popleft()
        self._launch(sent)
        return sent

    def assign(self, message: Outgoing, *, small_number: int = 0, image_number: int = 0) -> Sent:
        """Give a message its sequence; it counts as sent."""
        sent = Sent(self.next_sequence, message, small_number, image_number, message.size)
        self.next_sequence = sent.last_sequence + 1
        self.unacknowledged_bytes += sent.size
        self._launch(sent)
        return sent

    def received(self, sequence: int) -> None:
        """Everything up to a sequence arrived."""
        while self._flying and self._flying[0].sequence <= sequence:
            self._land(self._flying.popleft())

    def durable(self, sequence: int) -> Released:
        """Everything up to a sequence is safe at the server."""
        self.received(sequence)
        return self._release_while(self._landed, sequence)

    def batch_taken(self, index: int) -> Released:
        """A server without sequences took a batch; what was sent before it arrived as well."""
        for sent in self._flying:
            if sent.message.batch_index == index:
                return self.durable(sent.sequence)
        return Released(0, 0)

    def release_unanswered(self) -> Released:
        """A server without sequences answers batches only: the rest counts as taken when no batch is before it."""
        newest = 0
        for sent in self._flying:
            if sent.message.batch_index >= 0:
                break
            newest = sent.sequence
        return self.durable(newest) if newest else Released(0, 0)

    def _put_in_full(self, sent: Sent) -> None:
        """The server may have died in between, and with it what it knew of images that are only named."""
        if sent.message.in_full:
            sent.message = dataclasses.replace(sent.message, parts=sent.message.in_full, in_full=())
            self.unacknowledged_bytes += sent.message.size - sent.size
            sent.size = sent.message.size

    def _launch(self, sent: Sent) -> None:
        sent.sent_at = time.monotonic()
        self._flying.append(sent)
        self._flying_images += sent.message.kind is Kind.IMAGES
        self._flying_bytes += sent.size

    def _land(self, sent: Sent) -> None:
        self._flying_images -= sent.message.kind is Kind.IMAGES
        self._flying_bytes -= sent.size
        self._landed.append(sent)

    def _release_while(self, queue: deque[Sent], sequence: int) -> Released:
        small = images = 0
        while queue and queue[0].sequence <= sequence:
            sent = queue.popleft()
            self.unacknowledged_bytes -= sent.size
            small, images = max(small, sent.small_number), max(images, sent.image_number)
        return Released(small, images)

    def _renumber(self, first: int) -> None:
        """The server lost what it had, or another writer went on: number what is left from where the server stands."""
        self.next_sequence = first
        for sent in self._waiting:
            sent.sequence = self.next_sequence
            self.next_sequence = sent.last_sequence + 1
