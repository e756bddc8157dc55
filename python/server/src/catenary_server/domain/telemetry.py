"""What telemetry speaks of: trainings that report, their writers, and the commands they obey."""

from __future__ import annotations

import dataclasses
import enum
import math
from typing import Final


class TrainingStatus(enum.StrEnum):
    """Where a training stands; the last three are final."""

    INITIALIZING = "INITIALIZING"
    RUNNING = "RUNNING"
    PAUSED = "PAUSED"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"

    @property
    def final(self) -> bool:
        """True if only a new registration changes it."""
        return self in _FINAL

    def may_become(self, status: TrainingStatus) -> bool:
        """Whether a training in this status may report that one; to repeat a status is no change."""
        return status is self or status in _LEGAL.get(self, frozenset())


_FINAL: Final = frozenset({TrainingStatus.COMPLETED, TrainingStatus.FAILED, TrainingStatus.CANCELLED})
_LEGAL: Final = {
    TrainingStatus.INITIALIZING: frozenset({TrainingStatus.RUNNING, TrainingStatus.FAILED, TrainingStatus.CANCELLED}),
    TrainingStatus.RUNNING: _FINAL | {TrainingStatus.PAUSED},
    TrainingStatus.PAUSED: _FINAL | {TrainingStatus.RUNNING},
}


class WriterState(enum.StrEnum):
    """Whether anybody writes: LIVE within three heartbeats of a message, SILENT after that, CLOSED after the end."""

    LIVE = "LIVE"
    SILENT = "SILENT"
    CLOSED = "CLOSED"


class PayloadClass(enum.StrEnum):
    """Telemetry that is treated alike when there is too much of it."""

    EVENT = "EVENT"
    SCALAR = "SCALAR"
    PERFORMANCE = "PERFORMANCE"
    IMAGE_BATCH = "IMAGE_BATCH"


class CommandType(enum.StrEnum):
    """What a command asks of a training."""

    PAUSE_TRAINING = "PAUSE_TRAINING"
    RESUME_TRAINING = "RESUME_TRAINING"
    STOP_TRAINING = "STOP_TRAINING"
    ADJUST_BATCH_SIZE = "ADJUST_BATCH_SIZE"
    CHANGE_LEARNING_RATE = "CHANGE_LEARNING_RATE"


@dataclasses.dataclass(frozen=True, slots=True)
class Capability:
    """A kind of command that a training obeys, with the bounds of its argument; None for no bound."""

    type: CommandType
    minimum: float | None = None
    maximum: float | None = None

    def allows(self, argument: float | None) -> bool:
        """Whether an argument lies within the bounds."""
        low = -math.inf if self.minimum is None else self.minimum
        high = math.inf if self.maximum is None else self.maximum
        return argument is None or low <= argument <= high


@dataclasses.dataclass(frozen=True, slots=True)
class Command:
    """One command. Times are Unix seconds.

    `argument` is the new batch size (int) or learning rate (float), None for the types that take none.
    """

    command_id: str
    type: CommandType
    argument: float | None
    create_time: float
    expire_time: float

    def asks_the_same(self, other: Command) -> bool:
        """Whether two commands of one id are one command sent twice."""
        return (self.type, self.argument) == (other.type, other.argument)


@dataclasses.dataclass(frozen=True, slots=True)
class CommandResult:
    """What became of a command. `encoded` is the contract's CommandResult, which the server does not look into."""

    command_id: str
    encoded: bytes


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class TelemetryLimits:
    """What a writer may send. Sizes in bytes, times in seconds, dimensions in pixels."""

    max_batch_size: int = 64
    max_image_dimension: int = 512
    heartbeat_interval: float = 2.0
    buffer_size: int = 1000
    max_images_per_batch: int = 16
    max_message_bytes: int = 8 << 20
    credit_images: int = 4
    credit_bytes: int = 32 << 20

    @property
    def silence(self) -> float:
        """Seconds without a message after which a writer no longer counts as live: three heartbeats."""
        return 3 * self.heartbeat_interval


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Registration:
    """Who wants to write, and to which run; an empty run id lets the server choose one."""

    run_id: str = ""
    client_name: str = ""
    client_version: str = ""
    resume_token: str = ""
    tags: dict[str, str] = dataclasses.field(default_factory=dict)
    commands: tuple[Capability, ...] = ()
    config: bytes = b""
    """The contract's TrainingConfig, which the server does not look into."""
    request_id: str = ""
    digest: str = ""
    """Tells two requests of one request id apart."""


@dataclasses.dataclass(frozen=True, slots=True)
class Series:
    """Values of one metric: entry i of each list belongs to point i, which stands for `samples_per_point` samples.

    A value is None when it, or every value of its point, is not a number.
    """

    metric_name: str
    steps: tuple[int, ...] = ()
    times_ms: tuple[int, ...] = ()
    minimums: tuple[float | None, ...] = ()
    maximums: tuple[float | None, ...] = ()
    samples_per_point: int = 1
    sample_count: int = 0
