"""What the progress of a run amounts to as telemetry: batches, epochs, speed, metrics, changes of status."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Final

from catenary_server.domain.telemetry import TrainingStatus
from catenary_server.domain.telemetry_report import (
    BatchReport,
    EpochReport,
    Sample,
    SamplesReport,
    SpeedReport,
    StatusReport,
)
from catenary_server.domain.training import Stage, TrainStatus

if TYPE_CHECKING:
    from collections.abc import Iterator

    from catenary_server.domain.progress import Progress
    from catenary_server.domain.telemetry_report import Report

STATUSES: Final = {
    TrainStatus.IN_PROGRESS: TrainingStatus.RUNNING,
    TrainStatus.PAUSED: TrainingStatus.PAUSED,
    TrainStatus.COMPLETED: TrainingStatus.COMPLETED,
    TrainStatus.FAILED: TrainingStatus.FAILED,
    TrainStatus.CANCELLED: TrainingStatus.CANCELLED,
}
SPEED_SECONDS: Final = 1.0
"""Time between two reports of speed."""
GATHERING_SECONDS: Final = 0.1
"""How long values of fast steps are gathered into one message."""
MOST_SAMPLES: Final = 1024
"""Values of one message."""


@dataclasses.dataclass(slots=True)
class _Epoch:
    """The epoch that goes on: the sum of its losses over its steps."""

    number: int
    loss: float = 0.0
    steps: int = 0
    learning_rate: float = 0.0


class Narrator:
    """Tells one run. Feed it every event in order.

    Args:
        batch_size: tiles of a batch at the start; the trainer of the run knows no other name for it.
    """

    def __init__(self, batch_size: int) -> None:
        self.batch_size = batch_size
        """Tiles of a batch now; whoever hears of a change sets it."""
        self._status: TrainStatus | None = None
        self._text = ""
        self._epoch: _Epoch | None = None
        self._samples: list[Sample] = []
        self._flush_time = 0.0
        self._batches = 0
        self._first_time = self._speed_time = 0.0
        self._speed_batches = 0

    def forget_status(self) -> None:
        """Say the status again with the next event: what was said of it is lost."""
        self._status = None

    def tell(self, progress: Progress) -> Iterator[Report]:
        """What one event amounts to; the final status comes last."""
        if progress.status.final:
            yield from self._flushed()
            yield from self._ended_epoch(progress, None)
        yield from self._announced(progress)
        if progress.status is not TrainStatus.IN_PROGRESS or not _is_step(progress):
            return
        if progress.stage is Stage.TRAIN:
            yield from self._trained(progress)
        else:
            yield from self._validated(progress)

    def _announced(self, progress: Progress) -> Iterator[Report]:
        """A change of status, or what has nothing to do with a batch, such as a checkpoint or a node that begins."""
        note = progress.message if not _is_step(progress) and progress.message != self._text else ""
        if progress.status is self._status and not note:
            return
        yield from self._flushed()
        self._status, self._text = progress.status, progress.message
        yield StatusReport(STATUSES[progress.status], progress.message, progress.time)

    def _trained(self, progress: Progress) -> Iterator[Report]:
        step, time = progress.global_step, progress.time
        if progress.losses:
            if self._epoch is not None and self._epoch.number != progress.epoch:
                yield from self._ended_epoch(progress, None)
            loss = sum(progress.losses.values())
            self._count(progress, loss)
            yield BatchReport(
                epoch=progress.epoch,
                index=progress.batch_index,
                size=self.batch_size,
                loss=loss,
                step=step,
                time=time,
            )
        values = {**progress.losses, **progress.metrics}
        if not values:
            values["batches_done"] = float(progress.batches_done)
        self._gather(progress, {f"train/{name}": value for name, value in values.items()})
        if self._is_full(time):
            yield from self._flushed()
        if progress.batches_done:
            yield from self._timed(progress)

    def _validated(self, progress: Progress) -> Iterator[Report]:
        self._gather(progress, {**progress.losses, **progress.metrics})
        yield from self._flushed()
        if progress.losses or progress.metrics:
            yield from self._ended_epoch(progress, sum(progress.losses.values()) if progress.losses else None)

    def _count(self, progress: Progress, loss: float) -> None:
        if self._epoch is None:
            self._epoch = _Epoch(progress.epoch)
        self._epoch.loss += loss
        self._epoch.steps += 1
        self._epoch.learning_rate = progress.learning_rate or 0.0

    def _ended_epoch(self, progress: Progress, validation_loss: float | None) -> Iterator[Report]:
        epoch, self._epoch = self._epoch, None
        if epoch is not None:
            yield EpochReport(
                epoch=epoch.number,
                loss=epoch.loss / epoch.steps,
                learning_rate=epoch.learning_rate,
                validation_loss=validation_loss,
                time=progress.time,
            )

    def _gather(self, progress: Progress, values: dict[str, float]) -> None:
        if progress.learning_rate is not None and progress.stage is Stage.TRAIN and progress.losses:
            values["train/learning_rate"] = progress.learning_rate
        self._samples += (Sample(name, progress.global_step, value, progress.time) for name, value in values.items())

    def _is_full(self, time: float) -> bool:
        """Whether the values have waited long enough; those of slow steps do not wait at all."""
        return len(self._samples) >= MOST_SAMPLES or time - self._flush_time >= GATHERING_SECONDS

    def _flushed(self) -> Iterator[Report]:
        if self._samples:
            samples, self._samples = tuple(self._samples), []
            self._flush_time = samples[-1].time
            yield SamplesReport(samples)

    def _timed(self, progress: Progress) -> Iterator[Report]:
        """The speed, about once a second."""
        now = progress.time
        self._batches += 1
        if self._batches == 1:
            self._first_time = self._speed_time = now
            return
        self._speed_batches += 1
        elapsed = now - self._speed_time
        if elapsed < SPEED_SECONDS:
            return
        average = (self._batches - 1) / (now - self._first_time)
        yield SpeedReport(
            current=self._speed_batches / elapsed,
            average=average,
            epoch_seconds=progress.batches_total / average,
            remaining_seconds=progress.remaining_seconds or 0.0,
            time=now,
        )
        self._speed_time, self._speed_batches = now, 0


def _is_step(progress: Progress) -> bool:
    """Whether an event is about a batch or a validation, and not about what happens between them."""
    return bool(progress.losses or progress.metrics or progress.message.startswith("Processing batch"))
