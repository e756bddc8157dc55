"""A run as the training loop sees it: a few lines, none of which waits."""

from __future__ import annotations

import logging
import math
import time
from typing import TYPE_CHECKING, Final, Self

from catenary.telemetry.v1 import command_pb2, telemetry_pb2, training_pb2
from catenary_client.telemetry.batches import take_batch
from catenary_client.telemetry.configuration import registration_of, training_config
from catenary_client.telemetry.control import Commands, Control
from catenary_client.telemetry.delivery import Delivery, now_ms
from catenary_client.telemetry.events import ending, epoch_event, result_event, status_event
from catenary_client.telemetry.faults import TelemetryError, TelemetryOverflow, TrainingStopped
from catenary_client.telemetry.link import Address
from catenary_client.telemetry.open_runs import OPEN_RUNS
from catenary_client.telemetry.records import Scalars
from catenary_client.telemetry.settings import TelemetrySettings, default_spill_root
from catenary_client.telemetry.speed import Plan, Speedometer
from catenary_wire import names

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path
    from types import TracebackType

    import grpc

    from catenary_client.telemetry.delivery import RunReport
    from catenary_client.telemetry.predictions import Prediction
    from catenary_client.telemetry.records import Event
    from catenary_client.telemetry.settings import OnFull, OnStop
    from catenary_client.telemetry.tiles import ArrayLike

_LOG = logging.getLogger(__name__)
_SCALAR_BYTES: Final = 160
_MOST_NAME_BYTES: Final = 128

_RUNNING: Final = training_pb2.TRAINING_STATUS_RUNNING
_COMPLETED: Final = training_pb2.TRAINING_STATUS_COMPLETED
_FAILED: Final = training_pb2.TRAINING_STATUS_FAILED
_CANCELLED: Final = training_pb2.TRAINING_STATUS_CANCELLED


class Run:
    """Reports a training to a server, and lets viewers steer it.

    As a context manager it registers the run, and at the end says how the training ended, waits until everything is
    durable, and keeps on the disk what is not. No log call waits for the network or the disk, unless `on_full="block"`.
    A copy of the process, such as a worker that loads data, logs nothing.

    Args:
        server: `host:port`.
        name: of the training, for people; part of the run's id.
        run_id: goes on with a run that an earlier process left; empty for a new one.
        tags: labels to find the run by.
        config: how the training is set up. `model_name`, `dataset_name`, `total_epochs`, `batches_per_epoch`,
            `batch_size`, `learning_rate`, `optimizer_name`, `loss_name`, `device_name` and `class_names` are known to
            viewers; anything else is kept as a hyperparameter.
        commands: what viewers may do; pause, resume and stop when None.
        on_full: what to do when neither memory nor disk has room.
        on_stop: whether a command to stop raises `TrainingStopped` in the next step, or makes it return False.
        token: bearer token of the server; empty for none.
        credentials: of a TLS channel; None for one that is not encrypted.
        spill_root: folder for what the server could not take yet; None for the usual one.
        settings: bounds and rates; None for the usual ones.

    Raises:
        ValueError: if `config` has a known setting of another type, or the token would go over a network unencrypted.
        SpillInUse: if another process writes this run.
    """

    def __init__(
        self,
        server: str,
        *,
        name: str = "",
        run_id: str = "",
        tags: Mapping[str, str] | None = None,
        config: Mapping[str, object] | None = None,
        commands: Commands | None = None,
        on_full: OnFull = "spill",
        on_stop: OnStop = "raise",
        token: str = "",
        credentials: grpc.ChannelCredentials | None = None,
        spill_root: Path | None = None,
        settings: TelemetrySettings | None = None,
    ) -> None:
        self.report: RunReport | None = None
        """What became of the telemetry; None until the run is closed."""
        self.epoch = 1
        """Epoch of the next batch; rises with `log_epoch`."""
        self.step_count = 0
        """Optimiser steps done."""
        self._settings = TelemetrySettings() if settings is None else settings
        allowed = Commands() if commands is None else commands
        self._config = training_config(config or {})
        self._control = Control(allowed, self)
        registration = registration_of(
            run_id=run_id, name=name, tags=tags or {}, commands=allowed.capabilities(), config=self._config
        )
        self._delivery = Delivery(
            Address(target=server, token=token, credentials=credentials),
            registration,
            self._control,
            self._settings,
            class_names=self._config.class_names,
            block=on_full == "block",
            spill_root=default_spill_root() if spill_root is None else spill_root,
        )
        self.run_id = registration.session_id
        """Id of the run."""
        self._ring = self._delivery.ring
        self._raises = on_stop == "raise"
        self._tiles, self._image_every = self._settings.tiles, self._settings.image_every
        self._plan = Plan(self._config.total_epochs, self._config.batches_per_epoch)
        self._speed = Speedometer(self._settings.performance_every, self._plan, time.perf_counter_ns())
        self._names: set[str] = set()
        self._batch_index = 0
        self._started = self._running = self._ended = self._inert = False

    def start(self) -> Self:
        """Register the run; `with` does it. Without a server it goes on, and connects when there is one.

        Raises:
            CatenaryError: if the server refuses the run.
        """
        self._delivery.start()
        self._started = True
        OPEN_RUNS.add(self)
        if not self._delivery.continues:
            self._say_status(training_pb2.TRAINING_STATUS_INITIALIZING, "", with_config=True)
        self._speed = Speedometer(self._settings.performance_every, self._plan, time.perf_counter_ns())
        return self

    def close(self, *, seconds: float | None = None) -> RunReport:
        """Wait until everything is durable, no longer than this; a second call returns the same report.

        A training that did not say how it ended counts as completed.

        Args:
            seconds: `close_seconds` of the settings when None.

        Raises:
            TelemetryError: if the run was not started.
        """
        if self.report is None:
            if not self._started:
                raise TelemetryError("the run was not started: use it in a with block, or call start")
            if not self._ended:
                self._end(_CANCELLED if self._control.stopped else _COMPLETED, self._control.stopped)
            OPEN_RUNS.discard(self)
            self._inert = True
            self.report = self._delivery.finish(self._settings.close_seconds if seconds is None else seconds)
        return self.report

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool:
        """Say how the training ended; a stop that was asked for ends here."""
        if self._inert:
            return False
        if error is not None:
            self._end(*ending(error))
        self.close()
        return isinstance(error, TrainingStopped)

    def step(self) -> bool:
        """One batch is done, without a record of it: count it and obey commands. `log_batch` does the same.

        While the training is paused, this waits.

        Returns:
            Whether to go on; False after a command to stop with `on_stop="return"`.

        Raises:
            TrainingStopped: after a command to stop.
        """
        if self._inert:
            return not self._control.stopped
        self.step_count += 1
        self._speed.tick()
        return self._boundary()

    @property
    def stopped(self) -> bool:
        """Whether the training has to end."""
        return bool(self._control.stopped)

    @property
    def spilled_bytes(self) -> int:
        """Bytes that wait on the disk."""
        return self._delivery.spilled_bytes

    def log_batch(
        self,
        *,
        loss: float = math.nan,
        accuracy: float = math.nan,
        images: ArrayLike | Sequence[bytes] | None = None,
        predictions: ArrayLike | Sequence[Prediction] | None = None,
        ground_truth: ArrayLike | Sequence[int] | None = None,
        batch_size: int | None = None,
        epoch: int | None = None,
        batch_idx: int | None = None,
        step: int | None = None,
    ) -> bool:
        """One batch is done.

        Args:
            loss: of the batch.
            accuracy: of the batch, 0 to 1.
            images: encoded images, which are taken as they are, or arrays, which are copied now and encoded later: of
                shape [N, H, W], [N, H, W, C] or [N, C, H, W], uint8 or floats from 0 to 1. The first 16 are shown.
            predictions: `Prediction` objects, or an array: of shape [N, classes] with probabilities or logits, or of
                shape [N] with classes.
            ground_truth: true classes, of shape [N].
            batch_size: samples of the batch; what the other arguments show when None.
            epoch: as the training counts; `self.epoch` when None.
            batch_idx: within the epoch; counted when None.
            step: optimiser steps done; counted when None.

        Returns:
            Whether to go on; False after a command to stop with `on_stop="return"`.

        Raises:
            TrainingStopped: after a command to stop.
            TelemetryOverflow: if there is no room for what may not be dropped.
            TypeError, ValueError: if images or predictions are of no such kind.
        """
        if self._inert:
            return not self._control.stopped
        self.step_count = step = self.step_count + 1 if step is None else step
        index = self._batch_index if batch_idx is None else batch_idx
        self._batch_index = index + 1
        number = self.epoch if epoch is None else epoch
        tiles = 0 if step % self._image_every else self._tiles
        batch = take_batch(number, index, step, loss, accuracy, images, predictions, ground_truth, batch_size, tiles)
        if not batch.tiles or not self._ring.put_images(batch):
            self._ring.put_without_images(batch)
        # Each call costs a training whose caches are cold some microseconds: mostly there is nothing to do.
        due = self._speed.tick()
        return self._boundary() if due or self._control.waiting or not self._running else True

    def log_scalars(self, values: Mapping[str, float], *, step: int | None = None) -> None:
        """Values of metrics at a step, by names such as `train/loss`; reading a tensor waits for its accelerator.

        Args:
            values: anything that `float` takes; NaN and infinity are kept.
            step: optimiser steps done; counted when None.

        Raises:
            TelemetryOverflow: if there is no room; scalars are never dropped.
            ValueError: if a name is empty or longer than 128 bytes.
        """
        if self._inert or not values:
            return
        if not self._names.issuperset(values):
            self._admit(values)
        taken = {name: value if type(value) is float else float(value) for name, value in values.items()}
        scalars = Scalars(self.step_count if step is None else step, now_ms(), taken)
        self._ring.put_small(scalars, _SCALAR_BYTES * len(taken))

    def log_epoch(
        self,
        *,
        loss: float = math.nan,
        accuracy: float = math.nan,
        learning_rate: float = math.nan,
        validation_loss: float | None = None,
        validation_accuracy: float | None = None,
        is_converged: bool = False,
        epoch: int | None = None,
    ) -> None:
        """One epoch is done.

        Args:
            loss: mean over the epoch's batches.
            accuracy: mean over the epoch's batches, 0 to 1.
            learning_rate: at the end of the epoch.
            validation_loss: None without validation.
            validation_accuracy: None without validation, else 0 to 1.
            is_converged: whether the training need not go on; ends it with `stop_on_convergence` of the settings.
            epoch: as the training counts; `self.epoch` when None.

        Raises:
            TrainingStopped: if the training ends since it converged.
        """
        if self._inert:
            return
        number = self.epoch if epoch is None else epoch
        data = telemetry_pb2.EpochData(
            epoch=number,
            average_loss=loss,
            average_accuracy=accuracy,
            learning_rate=learning_rate,
            is_converged=is_converged,
            validation_loss=validation_loss,
            validation_accuracy=validation_accuracy,
            timestamp_ms=now_ms(),
        )
        self._put(epoch_event(data))
        self.epoch, self._batch_index = number + 1, 0
        if is_converged and self._settings.stop_on_convergence:
            self._control.stopped = f"converged in epoch {number}"
            if self._raises:
                raise TrainingStopped(self._control.stopped, completed=True)

    def status(self, status: str, message: str = "") -> None:
        """Say where the training stands; the usual changes are said without it.

        Args:
            status: name of a `TrainingStatus`, such as RUNNING or FAILED.
            message: what happened, for people.

        Raises:
            ValueError: if there is no such status.
        """
        if self._inert:
            return
        number = names.number_of(training_pb2.TrainingStatus, status)
        if number in (_COMPLETED, _FAILED, _CANCELLED):
            self._end(number, message)
        else:
            self._say_status(number, message)

    def go_silent(self) -> None:
        """Log nothing from now on; what was logged is not touched. For a copy of the process."""
        self._inert = True

    def tell_result(self, result: command_pb2.CommandResult) -> None:
        """Say what became of a command."""
        self._put(result_event(result, now_ms()))

    def tell_status(self, status: training_pb2.TrainingStatus.ValueType, message: str) -> None:
        """Say that the training paused, or goes on."""
        self._say_status(status, message)

    def _boundary(self) -> bool:
        """Between two batches."""
        if not self._running:
            self._running = True
            self._say_status(_RUNNING, "", with_config=True)
        figures = self._speed.figures(time.perf_counter_ns())
        if figures is not None:
            self._delivery.pump.figures = figures
        if not self._control.waiting:
            return True
        begin = time.perf_counter_ns()
        self._control.obey(self.step_count)
        self._speed.leave_out(time.perf_counter_ns() - begin)
        if self._control.stopped and self._raises:
            raise TrainingStopped(self._control.stopped)
        return not self._control.stopped

    def _end(self, status: training_pb2.TrainingStatus.ValueType, message: str) -> None:
        if not self._ended:
            self._ended = True
            try:
                self._control.close()
                self._say_status(status, message)
            except TelemetryOverflow:
                _LOG.exception("there was no room to say how the training ended")

    def _say_status(
        self, status: training_pb2.TrainingStatus.ValueType, message: str, *, with_config: bool = False
    ) -> None:
        self._put(status_event(status, message, self._config if with_config else None, now_ms()))

    def _put(self, event: Event) -> None:
        self._ring.put_small(event, len(event.body))

    def _admit(self, values: Mapping[str, float]) -> None:
        for name in values:
            if not 0 < len(name.encode()) <= _MOST_NAME_BYTES:
                raise ValueError(f"the name of a metric has 1 to {_MOST_NAME_BYTES} bytes, not {name!r}")
            self._names.add(name)
