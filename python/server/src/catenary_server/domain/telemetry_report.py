"""What a training on this server says about itself, before it is encoded. Times are Unix seconds."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Protocol, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping

    from catenary_server.domain.control import Applied
    from catenary_server.domain.telemetry import Command, TrainingStatus


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """How a training is set up; None where it has no such setting."""

    model_name: str = ""
    dataset_name: str = ""
    total_epochs: int | None = None
    batch_size: int | None = None
    learning_rate: float | None = None
    optimizer_name: str = ""
    loss_name: str = ""
    device_name: str = ""
    hyperparameters: Mapping[str, str] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True, slots=True)
class StatusReport:
    """A status, or with the status of before something for people to know."""

    status: TrainingStatus
    text: str
    time: float


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class BatchReport:
    """One batch that was learnt from; `size` counts its tiles."""

    epoch: int
    index: int
    size: int
    loss: float
    step: int
    time: float


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class EpochReport:
    """One epoch; its loss is the mean over its batches."""

    epoch: int
    loss: float
    learning_rate: float
    validation_loss: float | None
    time: float


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class SpeedReport:
    """How fast it goes: batches per second lately and since the start, seconds of an epoch and to the end."""

    current: float
    average: float
    epoch_seconds: float
    remaining_seconds: float
    time: float


@dataclasses.dataclass(frozen=True, slots=True)
class Sample:
    """One value of one metric."""

    metric_name: str
    step: int
    value: float
    time: float


@dataclasses.dataclass(frozen=True, slots=True)
class SamplesReport:
    """Values of metrics of some steps."""

    samples: tuple[Sample, ...]


@dataclasses.dataclass(frozen=True, slots=True)
class ObeyedReport:
    """A command that took effect."""

    command: Command
    applied: Applied


Report: TypeAlias = StatusReport | BatchReport | EpochReport | SpeedReport | SamplesReport | ObeyedReport


class ReportCodec(Protocol):
    """Encodes what a training on this server says, as a training elsewhere would say it."""

    def setup(self, setup: Setup) -> bytes:
        """How a training is set up, as a registration has it."""
        ...

    def report(self, run_id: str, report: Report) -> bytes:
        """One message of the training."""
        ...
