"""A run in words: what its events say, and how it stands."""

from __future__ import annotations

import collections
import datetime as dt
import math
from typing import TYPE_CHECKING, Final

from rich.console import Group
from rich.text import Text

from catenary.telemetry.v1 import command_pb2, telemetry_pb2, training_pb2
from catenary_client.cli.output import facts
from catenary_client.run_results import CommandOutcome
from catenary_wire import names

if TYPE_CHECKING:
    from catenary_client.run_results import RunEvent, TelemetryRun

SHOWN_EVENTS: Final = 8


class RunView:
    """How a run stands, kept up by its events."""

    def __init__(self) -> None:
        self.status = ""
        self.place = ""
        self.values: dict[str, float] = {}
        self.speed = ""
        self.news: collections.deque[str] = collections.deque(maxlen=SHOWN_EVENTS)
        self._run: TelemetryRun | None = None
        self._commands: dict[str, str] = {}

    def take(self, event: RunEvent) -> str:
        """Take an event in; what it says in a line if it is worth one, else nothing."""
        said = self._said(event)
        if said:
            time = dt.datetime.fromtimestamp(event.time_ms / 1000) if event.time_ms else dt.datetime.now()  # noqa: DTZ005, DTZ006 - the viewer's clock
            said = f"{time:%H:%M:%S} {said}"
            self.news.append(said)
        return said

    def standing(self) -> str:
        """How the run stands, in one line."""
        values = "  ".join(f"{name} {value:.4g}" for name, value in self.values.items())
        return "  ".join(part for part in (self.status, self.place, values, self.speed) if part)

    def picture(self) -> Group:
        """How the run stands and what happened to it, for a terminal."""
        run = self._run
        rows = (
            ("run", "" if run is None else run.run_id),
            ("status", self.status),
            ("at", self.place),
            *((name, f"{value:.6g}") for name, value in self.values.items()),
            ("speed", self.speed),
        )
        return Group(facts(rows), Text(), *(Text(line) for line in self.news))

    def _said(self, event: RunEvent) -> str:
        message = event.message
        if event.run is not None:
            return self._stands(event)
        if isinstance(message, telemetry_pb2.BatchData):
            return self._batch(message)
        if isinstance(message, telemetry_pb2.EpochData):
            return self._epoch(message)
        if isinstance(message, telemetry_pb2.PerformanceData):
            return self._performance(message)
        if isinstance(message, telemetry_pb2.StatusUpdate):
            return self._status(message)
        return self._rest(event)

    def _rest(self, event: RunEvent) -> str:
        message = event.message
        if isinstance(message, telemetry_pb2.Gap):
            kind = names.short_name(telemetry_pb2.PayloadClass, message.payload_class).lower()
            return f"{message.dropped_count} messages of class {kind} were dropped by the trainer"
        if isinstance(message, command_pb2.ControlCommand):
            self._commands[message.command_id] = described(message)
            return f"command {described(message)}"
        if isinstance(message, command_pb2.CommandResult):
            command = self._commands.pop(message.command_id, message.command_id)
            return f"command {command} {CommandOutcome.of_result(message)}"
        for sample in getattr(message, "samples", ()):
            self.values[sample.metric_name] = sample.value
        return ""

    def _stands(self, event: RunEvent) -> str:
        run = event.run
        if run is None:
            return ""
        self._run = run
        silent = ", its trainer is silent" if run.writer_state == "SILENT" else ""
        before, self.status = self.status, f"{run.status}{silent}"
        if event.kind == "run_ended":
            return f"the run has ended: {run.status} {run.failure}".rstrip()
        if event.kind == "snapshot":
            return f"run {run.run_id} is {self.status}"
        return self.status if before != self.status else ""

    def _status(self, update: telemetry_pb2.StatusUpdate) -> str:
        self.status = names.short_name(training_pb2.TrainingStatus, update.status)
        return f"{self.status} {update.message}".rstrip()

    def _batch(self, batch: telemetry_pb2.BatchData) -> str:
        self.place = f"epoch {batch.epoch} batch {batch.batch_idx}"
        if batch.HasField("global_step"):
            self.place += f" step {batch.global_step}"
        self._learn(loss=batch.batch_loss, accuracy=batch.batch_accuracy)
        return ""

    def _epoch(self, epoch: telemetry_pb2.EpochData) -> str:
        told = {"loss": epoch.average_loss, "accuracy": epoch.average_accuracy, "learning rate": epoch.learning_rate}
        for name in ("validation_loss", "validation_accuracy"):
            if epoch.HasField(name):
                told[name.replace("_", " ")] = getattr(epoch, name)
        values = ", ".join(f"{name} {value:.4g}" for name, value in told.items() if not math.isnan(value))
        return f"epoch {epoch.epoch} ended: {values}"

    def _performance(self, figures: telemetry_pb2.PerformanceData) -> str:
        self.speed = f"{figures.current_fps:.1f} batches/s (average {figures.average_fps:.1f})"
        if figures.estimated_time_remaining_sec > 0:
            self.speed += f", {dt.timedelta(seconds=round(figures.estimated_time_remaining_sec))} left"
        return ""

    def _learn(self, **values: float) -> None:
        self.values.update({name: value for name, value in values.items() if not math.isnan(value)})


def described(command: command_pb2.ControlCommand) -> str:
    """A command as one would type it."""
    match command.WhichOneof("argument"):
        case "batch_size":
            return f"batch-size {command.batch_size}"
        case "learning_rate":
            return f"lr {command.learning_rate:g}"
        case _:
            return names.short_name(command_pb2.CommandType, command.type).lower().removesuffix("_training")
