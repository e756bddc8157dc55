"""Runs of telemetry, their metrics, events and commands, as calls return them."""

from __future__ import annotations

import dataclasses
import datetime as dt
from typing import TYPE_CHECKING

import numpy as np

from catenary.telemetry.v1 import command_pb2, run_pb2, telemetry_pb2, training_pb2
from catenary.v1 import error_pb2
from catenary_wire import names

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from google.protobuf.message import Message
    from google.protobuf.timestamp_pb2 import Timestamp
    from numpy.typing import NDArray

    from catenary.telemetry.v1 import command_request_pb2, metric_pb2, watch_pb2

FINAL_RUN_STATUSES = frozenset({"COMPLETED", "FAILED", "CANCELLED"})
"""Statuses of a run that has ended."""


@dataclasses.dataclass(frozen=True, slots=True)
class CommandBounds:
    """A command that a training obeys, such as `CHANGE_LEARNING_RATE`, with the bounds of its value."""

    command: str
    minimum: float | None
    maximum: float | None


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class TelemetryRun:
    """One training that reports telemetry, as it was when it was asked for. Times are in UTC."""

    run_id: str
    status: str
    """INITIALIZING, RUNNING, PAUSED, COMPLETED, FAILED or CANCELLED."""
    writer_state: str
    """LIVE while messages come, SILENT when they stopped, CLOSED after the end."""
    client_name: str
    """The program that reports."""
    tags: Mapping[str, str]
    create_time: dt.datetime
    start_time: dt.datetime | None
    update_time: dt.datetime
    end_time: dt.datetime | None
    config: training_pb2.TrainingConfig
    commands: tuple[CommandBounds, ...]
    metric_names: tuple[str, ...]
    last_sequence: int
    """Last position of its log."""
    stored_bytes: int
    dropped: Mapping[str, int]
    """Messages that its writers dropped, by payload class."""
    failure: str
    """Why it failed; empty when it did not."""

    @property
    def ended(self) -> bool:
        """Whether the training has ended."""
        return self.status in FINAL_RUN_STATUSES

    @staticmethod
    def of(run: run_pb2.Run) -> TelemetryRun:
        """From the message that the server gave."""
        return TelemetryRun(
            run_id=run.run_id,
            status=names.short_name(training_pb2.TrainingStatus, run.status),
            writer_state=names.short_name(run_pb2.WriterState, run.writer_state),
            client_name=run.client_name,
            tags=dict(run.tags),
            create_time=_time(run.create_time),
            start_time=_time(run.start_time) if run.HasField("start_time") else None,
            update_time=_time(run.update_time),
            end_time=_time(run.end_time) if run.HasField("end_time") else None,
            config=run.config,
            commands=tuple(map(_bounds, run.commands)),
            metric_names=tuple(run.metric_names),
            last_sequence=run.last_sequence,
            stored_bytes=run.stored_bytes,
            dropped=_dropped(run.dropped),
            failure=run.failure.message,
        )


@dataclasses.dataclass(frozen=True, slots=True)
class MetricSeries:
    """Values of one metric in columns; a point stands for `samples_per_point` neighbours."""

    metric_name: str
    steps: NDArray[np.int64]
    """Step of the first sample of each point."""
    times_ms: NDArray[np.int64]
    """When that was logged, milliseconds since the Unix epoch."""
    minimums: NDArray[np.float64]
    maximums: NDArray[np.float64]
    """The same as the minimums where a point is one sample."""
    samples_per_point: int
    sample_count: int
    """Samples before they were merged."""

    @staticmethod
    def of(series: metric_pb2.MetricSeries) -> MetricSeries:
        """From the message that the server gave."""
        minimums = np.asarray(series.minimums, dtype=np.float64)
        return MetricSeries(
            series.metric_name,
            np.asarray(series.global_steps, dtype=np.int64),
            np.asarray(series.log_times_unix_ms, dtype=np.int64),
            minimums,
            np.asarray(series.maximums, dtype=np.float64) if series.maximums else minimums,
            series.samples_per_point,
            series.sample_count,
        )


@dataclasses.dataclass(frozen=True, slots=True)
class CommandOutcome:
    """What became of a command so far."""

    command_id: str
    state: str
    """APPLIED, REFUSED, or WAITING while there is no result."""
    applied_at_step: int | None = None
    """Optimiser steps done when it took effect."""
    old: float | str | None = None
    """The setting before: a number, or a status."""
    new: float | str | None = None
    reason: str = ""
    """Of a refusal: COMMAND_INVALID or COMMAND_EXPIRED."""
    message: str = ""
    """Of a refusal, for people."""

    @property
    def applied(self) -> bool:
        """Whether it took effect."""
        return self.state == "APPLIED"

    @staticmethod
    def of(response: command_request_pb2.SendCommandResponse) -> CommandOutcome:
        """From the answer of SendCommand."""
        if not response.HasField("result"):
            return CommandOutcome(response.command.command_id, "WAITING")
        return CommandOutcome.of_result(response.result)

    @staticmethod
    def of_result(result: command_pb2.CommandResult) -> CommandOutcome:
        """From a result, as the log has it."""
        if result.HasField("applied"):
            applied = result.applied
            return CommandOutcome(
                result.command_id,
                "APPLIED",
                applied.applied_at_step,
                _setting(applied.old_setting),
                _setting(applied.new_setting),
            )
        refused = result.refused
        reason = names.short_name(error_pb2.ErrorReason, refused.reason)
        return CommandOutcome(result.command_id, "REFUSED", reason=reason, message=refused.message)

    def __str__(self) -> str:
        """As `applied at step 12: 0.1 -> 0.05`."""
        match self.state:
            case "APPLIED":
                change = "" if self.old is None and self.new is None else f": {self.old} -> {self.new}"
                return f"applied at step {self.applied_at_step}{change}"
            case "REFUSED":
                return f"refused with {self.reason}: {self.message}"
            case _:
                return "no result yet"


@dataclasses.dataclass(frozen=True, slots=True)
class RunEvent:
    """One event of a watch.

    `kind` is `snapshot`, `run_changed` or `run_ended` with a `run`; `command`; or what the training said: `batch_data`,
    `epoch_data`, `performance_data`, `status_update`, `metric_batch`, `command_result` or `gap`.
    """

    sequence: int
    """Position in the run's log; a later watch can go on after it."""
    kind: str
    message: Message
    """The message of the contract for this kind."""
    run: TelemetryRun | None = None
    time_ms: int = 0
    """When the training said it, milliseconds since the Unix epoch; 0 for what it did not say."""
    dropped: Mapping[str, int] = dataclasses.field(default_factory=dict)
    """What this watch left out since its start, by payload class, when that grew."""

    @staticmethod
    def of(response: watch_pb2.WatchRunResponse) -> RunEvent:
        """From a message of WatchRun."""
        kind = response.WhichOneof("event") or ""
        dropped = _dropped(response.dropped)
        if kind == "record":
            record = response.record
            said = record.WhichOneof("payload") or ""
            message = getattr(record, said) if said else record
            return RunEvent(response.sequence, said, message, time_ms=record.timestamp_ms, dropped=dropped)
        message = getattr(response, kind) if kind else response
        if kind == "snapshot":
            return RunEvent(response.sequence, kind, message, TelemetryRun.of(response.snapshot.run), dropped=dropped)
        run = TelemetryRun.of(message) if isinstance(message, run_pb2.Run) else None
        return RunEvent(response.sequence, kind, message, run, dropped=dropped)


def _time(stamp: Timestamp) -> dt.datetime:
    return stamp.ToDatetime(dt.UTC)


def _bounds(command: command_pb2.CommandCapability) -> CommandBounds:
    return CommandBounds(
        names.short_name(command_pb2.CommandType, command.type),
        command.minimum if command.HasField("minimum") else None,
        command.maximum if command.HasField("maximum") else None,
    )


def _dropped(counts: Iterable[telemetry_pb2.DroppedCount]) -> dict[str, int]:
    return {names.short_name(telemetry_pb2.PayloadClass, each.payload_class): each.count for each in counts}


def _setting(setting: command_pb2.CommandSetting) -> float | str | None:
    match setting.WhichOneof("value"):
        case "batch_size":
            return setting.batch_size
        case "learning_rate":
            return setting.learning_rate
        case "status":
            return names.short_name(training_pb2.TrainingStatus, setting.status)
        case _:
            return None
