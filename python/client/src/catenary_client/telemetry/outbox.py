"""Hands out messages to the stream: heartbeats, what has to be sent again, then what was logged."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from catenary.telemetry.v1 import stream_pb2
from catenary_client.telemetry.backlog import Terms
from catenary_client.telemetry.events import heartbeat_event
from catenary_client.telemetry.flight import Flight, Sent
from catenary_client.telemetry.messages import Outgoing
from catenary_client.telemetry.records import Kind

if TYPE_CHECKING:
    from collections.abc import Callable

    from catenary_client.telemetry.backlog import Backlog
    from catenary_client.telemetry.flight import Released
    from catenary_client.telemetry.messages import MessageBuilder
    from catenary_client.telemetry.records import Batch, Event
    from catenary_client.telemetry.settings import TelemetrySettings


class Outbox:
    """Everything that was logged and is not durable at the server. Any thread may call anything.

    The training thread never does: it puts into the ring, which needs no lock of this side.

    Args:
        backlog: what has no sequence yet.
        builder: makes the messages.
        settings: bounds.
        now_ms: the trainer's clock, milliseconds since the Unix epoch.
    """

    def __init__(
        self, backlog: Backlog, builder: MessageBuilder, settings: TelemetrySettings, now_ms: Callable[[], int]
    ) -> None:
        self._backlog = backlog
        self._flight = Flight(settings.image_window)
        self._builder = builder
        self._settings = settings
        self._now_ms = now_ms
        self._changed = threading.Condition()
        self._terms = Terms()
        self._stream: object | None = None
        self._finishing = False
        self._restored = False
        self._heartbeats = 0
        self._heartbeat_due = 0.0
        self.durable_sequence = 0
        """Everything up to this sequence is safe at the server."""

    @property
    def waiting_count(self) -> int:
        """Messages that are not durable at the server; scalars in memory count each."""
        return len(self._flight) + self._backlog.count

    @property
    def finished(self) -> bool:
        """Whether nothing more will be logged and everything is durable at the server."""
        with self._changed:
            return self._finishing and not len(self._flight) and not self._backlog.waits

    # The stream asks.

    def begin(self, stream: object, terms: Terms) -> None:
        """A new stream: what is not durable is sent again, then it goes on.

        Args:
            stream: whoever asks for messages with this object gets them, nobody else.
            terms: as the server stated them.
        """
        with self._changed:
            resume_from = terms.resume_from if terms.numbered else None
            self._restore(resume_from)
            self._release(self._flight.restart(resume_from))
            self._backlog.forget_tiles()
            self._terms, self._stream = terms, stream
            self._backlog.use_pixels(min(self._settings.tile_pixels, terms.most_pixels))
            self._flight.byte_window = 0
            self._heartbeats, self._heartbeat_due = 0, time.monotonic() + terms.heartbeat_seconds
            self._changed.notify_all()

    def end(self) -> None:
        """The stream is over; whoever waits for a message of it gets none."""
        with self._changed:
            self._stream = None
            self._changed.notify_all()

    def next_message(self, stream: object) -> bytes | None:
        """Wait for the next message of a stream; None when it is over or everything was sent."""
        with self._changed:
            while self._stream is stream:
                if time.monotonic() >= self._heartbeat_due:
                    return self._heartbeat()
                sent = self._next()
                if sent is not None:
                    return self._stamped(sent)
                if self._finishing and self._flight.waiting is None and not self._backlog.waits:
                    return None
                self._changed.wait(max(self._heartbeat_due - time.monotonic(), 0.0))
        return None

    # The server says.

    def acknowledge(self, received: int, durable: int) -> None:
        """Everything up to these sequences arrived, or is safe."""
        with self._changed:
            self.durable_sequence = max(self.durable_sequence, durable)
            self._flight.received(received)
            self._release(self._flight.durable(durable))
            self._changed.notify_all()

    def acknowledge_batch(self, index: int) -> None:
        """A server without sequences took a batch, or refused it for good."""
        with self._changed:
            self._release(self._flight.batch_taken(index))
            self._release(self._flight.release_unanswered())
            self._changed.notify_all()

    def acknowledge_all(self) -> None:
        """The server ended the stream in good order after everything was sent."""
        self.acknowledge(self._flight.next_sequence - 1, self._flight.next_sequence - 1)

    def refuse_batch(self) -> None:
        """A server without sequences refused a batch without saying which: it must be the oldest."""
        with self._changed:
            index = next((sent.message.batch_index for sent in self._flight if sent.message.batch_index >= 0), None)
        if index is not None:
            self.acknowledge_batch(index)

    def grant(self, image_messages: int, message_bytes: int) -> None:
        """The server changed how much may be under way."""
        with self._changed:
            self._flight.image_window = max(1, min(image_messages, self._settings.image_window))
            self._flight.byte_window = message_bytes
            self._changed.notify_all()

    def forget_tiles(self) -> None:
        """The server misses an image that it was only named."""
        with self._changed:
            self._backlog.forget_tiles()

    # The pump says.

    def silent_seconds(self) -> float:
        """How long the server has not said that the oldest message arrived; 0 when none is under way."""
        with self._changed:
            oldest = self._flight.oldest_flying
            return 0.0 if oldest is None else time.monotonic() - oldest.sent_at

    def work(self, lookahead: int) -> list[Batch]:
        """Move to the disk what memory has no room for, and wake the stream.

        Returns:
            Batches to encode, of so many oldest ones.
        """
        settings = self._settings
        with self._changed:
            self._backlog.count_refused()
            sending = self._stream is not None and self._backlog.may_wait
            image_goal = settings.ring_bytes if sending else settings.ring_bytes // 2
            self._backlog.relieve(image_goal=image_goal, small_goal=settings.reserve_bytes // 2)
            self._changed.notify_all()
            return self._backlog.to_encode(lookahead)

    def wake(self) -> None:
        """Images were encoded."""
        with self._changed:
            self._changed.notify_all()

    def replace_performance(self, event: Event) -> None:
        """The newest figures of speed; they replace those that wait."""
        with self._changed:
            self._backlog.performance = event
            self._changed.notify_all()

    def finish(self) -> None:
        """Nothing more will be logged: the stream ends once everything was sent."""
        with self._changed:
            self._finishing = True
            self._changed.notify_all()

    def leave(self) -> bool:
        """Move everything to the disk for a later process; whether it is all there."""
        with self._changed:
            self._stream = None
            self._changed.notify_all()
            self._backlog.count_refused()
            self._flight.restart(None)
            pending = [(sent.sequence, self._numbered(sent)) for sent in self._flight]
            return self._backlog.leave(pending) or not (pending or self._backlog.waits)

    def _next(self) -> Sent | None:
        """Give the next message its sequence, if the windows let it pass."""
        waiting = self._flight.waiting
        if waiting is not None:
            return self._flight.resend() if self._room(images=waiting.message.kind is Kind.IMAGES) else None
        if not self._room(images=False):
            return None
        found = self._backlog.next_small(self._terms)
        if found is None and self._room(images=True):
            found = self._backlog.next_images(self._terms)
        if found is None:
            return None
        sent = self._flight.assign(found.message, small_number=found.small_number, image_number=found.image_number)
        if found.small_number or found.image_number:
            self._backlog.note_sent(sent.last_sequence)
        if not self._terms.numbered:
            self._release(self._flight.release_unanswered())
        return sent

    def _room(self, *, images: bool) -> bool:
        most_bytes = self._settings.unacknowledged_bytes
        return self._flight.has_room(images=images, most_messages=self._terms.most_messages, most_bytes=most_bytes)

    def _stamped(self, sent: Sent) -> bytes:
        parts = self._numbered(sent).parts
        if not self._terms.numbered:
            return b"".join(parts)
        tail = stream_pb2.StreamTelemetryRequest(sequence=sent.sequence, writer_epoch=self._terms.writer_epoch)
        return b"".join((*parts, tail.SerializeToString()))

    def _numbered(self, sent: Sent) -> Outgoing:
        """The message; a gap names its own sequences, so it is built when they are final."""
        if sent.message.kind is not Kind.GAP:
            return sent.message
        return self._builder.gap(sent.sequence, sent.message.count, self._now_ms())

    def _heartbeat(self) -> bytes:
        self._heartbeat_due = time.monotonic() + self._terms.heartbeat_seconds
        beat = heartbeat_event(self._heartbeats, self._now_ms())
        self._heartbeats += 1
        return b"".join(self._builder.event(beat).parts)

    def _restore(self, resume_from: int | None) -> None:
        """Take over what an earlier process left, once."""
        if self._restored:
            return
        self._restored = True
        for pending in self._backlog.restore(resume_from):
            parts = () if pending.kind is Kind.GAP else (pending.payload,)
            message = Outgoing(pending.kind, parts, count=pending.dropped, batch_index=pending.batch_index)
            self._flight.restore(Sent(pending.sequence, message, size=message.size))

    def _release(self, released: Released) -> None:
        self._backlog.release(released.small, released.images)
