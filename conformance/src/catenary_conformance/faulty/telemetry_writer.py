"""A training for witnesses of telemetry: it registers a run, numbers what it says, and hears what comes back."""

from __future__ import annotations

import queue
import threading
from typing import TYPE_CHECKING, Self

from catenary_conformance.faulty.stand import nonce

if TYPE_CHECKING:
    from types import TracebackType

    from catenary_conformance.faulty.caller import Caller, Heard, Talk
    from catenary_conformance.faulty.exchange import Fields

PATIENCE = 1.0  # seconds that something may take which is to come
INITIALIZING, RUNNING, COMPLETED = 1, 2, 4
COMMANDS = [{"type": 1}, {"type": 5, "minimum": 0.001, "maximum": 1.0}]
"""What the training obeys: to be paused, and another learning rate within bounds."""
PIXEL = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010806000000"
    "1f15c4890000000d49444154789c6360606060000000050001a5f645400000000049454e44ae426082"
)
"""A PNG of one pixel."""


class Writer:
    """A run of its own with a live stream, within a `with` block.

    Args:
        caller: who registers and writes.
        fields: further fields of the registration.
    """

    def __init__(self, caller: Caller, **fields: object) -> None:
        asked: dict[str, object] = {"session_id": nonce(), "commands": COMMANDS}
        self.registration = caller("RegisterTrainingSession", **(asked | fields)).answer
        self.run = str(self.registration.session_id)
        self.epoch = int(self.registration.writer_epoch)
        self.sequence = int(self.registration.resume_from_sequence) - 1
        self._inbox: queue.SimpleQueue[Fields] = queue.SimpleQueue()
        self.talk: Talk = caller.open("StreamTelemetry")
        threading.Thread(target=self._listen, daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.talk.__exit__(kind, error, trace)

    def say(self, *, sequence: int = 0, epoch: int = 0, **payload: object) -> int:
        """Send the next message, or one with another number; its number."""
        if not sequence:
            self.sequence += 1
        number = sequence or self.sequence
        self.talk.send(session_id=self.run, sequence=number, writer_epoch=epoch or self.epoch, **payload)
        return number

    def scalar(self, value: float, *, sequence: int = 0, epoch: int = 0) -> int:
        """Send one loss; its number."""
        sample = {"metric_name": "loss", "global_step": sequence or self.sequence + 1, "value": value}
        return self.say(sequence=sequence, epoch=epoch, metric_batch={"samples": [sample]})

    def status(self, status: int) -> int:
        """Send a status; its number."""
        return self.say(status_update={"status": status})

    def bare(self, **payload: object) -> None:
        """Send a message without a number."""
        self.talk.send(session_id=self.run, **payload)

    def next(self, kind: str, *, patience: float = PATIENCE) -> Fields:
        """The next message of a kind; None when none comes."""
        while True:
            try:
                message = self._inbox.get(timeout=patience)
            except queue.Empty:
                return None
            if message is None:
                self._inbox.put(None)
                return None
            if message.HasField(kind):
                return getattr(message, kind)

    def durable(self, number: int) -> bool:
        """Whether this number becomes durable."""
        while (ack := self.next("ack")) is not None:
            if ack.durable_sequence >= number:
                return True
        return False

    def all(self, kind: str, *, patience: float = PATIENCE) -> list[Fields]:
        """Everything of a kind until nothing more comes."""
        found = []
        while (message := self.next(kind, patience=patience)) is not None:
            found.append(message)
        return found

    def end(self) -> Heard:
        """Half-close, and how the stream ends."""
        self.talk.half_close()
        return self.ended()

    def ended(self) -> Heard:
        """How the stream ends."""
        while self.next("ack", patience=3 * PATIENCE) is not None:
            pass
        if not self.talk.call.done():
            self.talk.call.cancel()
        return self.talk.rest()

    def _listen(self) -> None:
        for message in self.talk:
            self._inbox.put(message)
        self._inbox.put(None)


def scalars(caller: Caller, run: str, **fields: object) -> list[float]:
    """The losses of a run as they are stored."""
    (series,) = caller("QueryMetrics", run_id=run, metric_names=["loss"], **fields).answer.series
    return list(series.minimums)
