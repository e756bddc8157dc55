"""One message from a training, as far as the server looks into it."""

from __future__ import annotations

import dataclasses
import enum
from typing import TYPE_CHECKING, Protocol

from catenary_server.domain.telemetry import PayloadClass

if TYPE_CHECKING:
    from collections.abc import Sequence

    from catenary_server.domain.failure import Reason
    from catenary_server.domain.telemetry import CommandResult, TrainingStatus


class Kind(enum.IntEnum):
    """What an entry of a run's log is. The numbers are on the disk: they are never given to something else.

    Below 32 the entry holds a message of the training as it came, from 32 up a note of the server.
    """

    HEARTBEAT = 0
    BATCH = 1
    IMAGE_BATCH = 2
    EPOCH = 3
    PERFORMANCE = 4
    STATUS = 5
    METRICS = 6
    RESULT = 7
    GAP = 8
    REGISTERED = 32
    COMMAND = 33
    WRITER_CHANGED = 34
    ENDED = 35
    CHECKPOINT = 36

    @property
    def said_by_training(self) -> bool:
        """True for a message of the training."""
        return self < Kind.REGISTERED

    @property
    def payload_class(self) -> PayloadClass:
        """How the entry is treated when there is too much."""
        return _CLASSES.get(self, PayloadClass.EVENT)


_CLASSES = {
    Kind.BATCH: PayloadClass.SCALAR,
    Kind.METRICS: PayloadClass.SCALAR,
    Kind.IMAGE_BATCH: PayloadClass.IMAGE_BATCH,
    Kind.PERFORMANCE: PayloadClass.PERFORMANCE,
}


@dataclasses.dataclass(frozen=True, slots=True)
class Scalar:
    """One value of one metric. Without a step it belongs to the step the run is at."""

    metric_name: str
    step: int | None
    value: float
    time_ms: int


@dataclasses.dataclass(frozen=True, slots=True)
class StatusChange:
    """A status that a training reports; `config` is the contract's TrainingConfig, None where it says none."""

    status: TrainingStatus
    text: str
    config: bytes | None


@dataclasses.dataclass(frozen=True, slots=True)
class Gap:
    """Sequences from `first` to `last` of which `count` will never come."""

    payload_class: PayloadClass
    first: int
    last: int
    count: int


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One message. `sequence` is None from writers that do not number, and on heartbeats."""

    run_id: str
    kind: Kind
    sequence: int | None = None
    writer_epoch: int | None = None
    time_ms: int = 0
    batch_index: int = 0
    global_step: int | None = None
    scalars: tuple[Scalar, ...] = ()
    status: StatusChange | None = None
    result: CommandResult | None = None
    gap: Gap | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class Refusal:
    """Why a message, or one image of it, is not taken."""

    reason: Reason
    message: str
    image_index: int | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class Incoming:
    """A message as it arrived.

    Attributes:
        message: what it says.
        raw: the bytes to store; images that were refused are left out of them.
        refusals: one for the whole message, then nothing of it is stored, or one for each image that was left out.
        images: the encoded images with a hash, by their hash, for messages that only name them.
        named_images: hashes of images that the message names without sending them, by their index.
    """

    message: Message
    raw: bytes
    refusals: tuple[Refusal, ...] = ()
    images: dict[bytes, bytes] = dataclasses.field(default_factory=dict)
    named_images: dict[int, bytes] = dataclasses.field(default_factory=dict)

    @property
    def refusal(self) -> Refusal | None:
        """Why nothing of the message is taken; None if it is taken, at least in part."""
        return next((refusal for refusal in self.refusals if refusal.image_index is None), None)


class MessageCodec(Protocol):
    """Reads and changes encoded messages; the layers inside know only what it tells."""

    def read(self, raw: bytes) -> Message:
        """What a message of the log says; no rule is checked again."""
        ...

    def without_images(self, raw: bytes) -> bytes:
        """The message of a batch without the bytes of its images."""
        ...

    def named_images(self, raw: bytes) -> dict[int, bytes]:
        """Hashes of the images that a batch names without sending them, by their index."""
        ...

    def with_images(self, raw: bytes, images: dict[int, bytes]) -> bytes:
        """The message of a batch with these bytes in the images of these indices."""
        ...

    def dropping_images(self, raw: bytes, indices: Sequence[int]) -> bytes:
        """The message of a batch with nothing in the images of these indices; the others keep their places."""
        ...

    def refused(self, run_id: str, command_id: str, reason: Reason, text: str) -> bytes:
        """The message of a training that had refused a command."""
        ...

    def applied(self, run_id: str, command_id: str, step: int) -> bytes:
        """The message of a training that had obeyed a command."""
        ...
