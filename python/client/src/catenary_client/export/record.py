"""Everything that is known of a run but its images: each value of each metric, and what happened to it."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Final

import numpy as np

from catenary.telemetry.v1 import command_pb2, telemetry_pb2, training_pb2
from catenary_client.run_results import CommandOutcome
from catenary_wire import names

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from catenary_client.client import Client
    from catenary_client.run_results import MetricSeries, RunEvent, TelemetryRun

MOST_POINTS: Final = 10_000
"""Of one query, as the contract has it."""


@dataclasses.dataclass(frozen=True, slots=True)
class MetricValues:
    """All values of one metric, in columns, by rising step."""

    metric_name: str
    steps: NDArray[np.int64]
    times_ms: NDArray[np.int64]
    values: NDArray[np.float64]


@dataclasses.dataclass(frozen=True, slots=True)
class LoggedEvent:
    """Something that happened: a status, an epoch, a command, its result, a gap."""

    kind: str
    sequence: int
    time_ms: int
    name: str
    step: int | None = None
    value: float | None = None
    text: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class RunRecord:
    """A run with all that is known of it."""

    run: TelemetryRun
    metrics: tuple[MetricValues, ...]
    events: tuple[LoggedEvent, ...]


def read_record(client: Client, run_id: str) -> RunRecord:
    """Read a run as it is now.

    Raises:
        NotFoundError: the caller has no such run.
    """
    run = client.get_run(run_id)
    metrics = tuple(_values(client, run_id, name) for name in run.metric_names)
    logged = (_logged(event) for event in client.run_history(run_id))
    return RunRecord(run, metrics, tuple(event for event in logged if event is not None))


def _values(client: Client, run_id: str, name: str) -> MetricValues:
    parts = list(_parts(client, run_id, name, None, None))
    columns = (
        [np.concatenate([column[index] for column in parts]) for index in range(3)] if parts else [np.empty(0)] * 3
    )
    return MetricValues(name, columns[0].astype(np.int64), columns[1].astype(np.int64), columns[2])


def _parts(
    client: Client, run_id: str, name: str, first: int | None, last: int | None
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]]:
    """Steps, times and values of a range of steps; a range with too many samples is read in halves."""
    series = client.query_metrics(run_id, [name], steps=(first, last), max_points=MOST_POINTS)[name]
    if series.samples_per_point <= 1:
        yield series.steps, series.times_ms, series.minimums
        return
    low = int(series.steps[0]) if first is None else first
    high = _last_step(client, run_id, name, series, last)
    if low >= high:
        yield _spread(series)
        return
    middle = (low + high) // 2
    yield from _parts(client, run_id, name, low, middle)
    yield from _parts(client, run_id, name, middle + 1, high)


def _last_step(client: Client, run_id: str, name: str, series: MetricSeries, last: int | None) -> int:
    """The last step of a merged series, whose last point says only where it begins."""
    if last is not None:
        return last
    tail = client.query_metrics(run_id, [name], steps=(int(series.steps[-1]), None), max_points=MOST_POINTS)[name]
    return int(tail.steps[-1])


def _spread(series: MetricSeries) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """More values at one step than a query returns: the least and the greatest of each point stand for the rest."""
    values = np.stack([series.minimums, series.maximums], axis=1).ravel()
    return np.repeat(series.steps, 2), np.repeat(series.times_ms, 2), values


def _logged(event: RunEvent) -> LoggedEvent | None:
    message, sequence, time_ms = event.message, event.sequence, event.time_ms
    match message:
        case telemetry_pb2.StatusUpdate():
            status = names.short_name(training_pb2.TrainingStatus, message.status)
            return LoggedEvent("status", sequence, time_ms, status, text=message.message)
        case telemetry_pb2.EpochData():
            return LoggedEvent("epoch", sequence, time_ms, "epoch", value=message.epoch)
        case telemetry_pb2.Gap():
            payload_class = names.short_name(telemetry_pb2.PayloadClass, message.payload_class)
            return LoggedEvent("gap", sequence, time_ms, payload_class, value=message.dropped_count)
        case command_pb2.ControlCommand():
            return _command(message, sequence)
        case command_pb2.CommandResult():
            outcome = CommandOutcome.of_result(message)
            return LoggedEvent(
                "command_result", sequence, time_ms, outcome.command_id, outcome.applied_at_step, text=str(outcome)
            )
        case _:
            return None


def _command(command: command_pb2.ControlCommand, sequence: int) -> LoggedEvent:
    argument = command.WhichOneof("argument")
    value = None if argument is None else float(getattr(command, argument))
    time_ms = command.create_time.ToMilliseconds()
    kind = names.short_name(command_pb2.CommandType, command.type)
    return LoggedEvent("command", sequence, time_ms, kind, value=value, text=command.command_id)
