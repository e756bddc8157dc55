"""Messages that are rare enough to be built at once, in the training thread."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from catenary.telemetry.v1 import stream_pb2, telemetry_pb2, training_pb2
from catenary_client.telemetry.faults import TrainingStopped
from catenary_client.telemetry.records import Event, Kind

if TYPE_CHECKING:
    from catenary.telemetry.v1 import command_pb2

_MESSAGE_CHARACTERS: Final = 1024  # 4096 bytes at four bytes each


def status_event(
    status: training_pb2.TrainingStatus.ValueType,
    message: str,
    config: training_pb2.TrainingConfig | None,
    time_ms: int,
) -> Event:
    """Where the training stands.

    Args:
        status: from now on.
        message: for people.
        config: how the training is set up; None when that did not change.
        time_ms: by the trainer's clock, as in the other events.
    """
    text = message[:_MESSAGE_CHARACTERS]
    update = telemetry_pb2.StatusUpdate(status=status, message=text, config=config, timestamp_ms=time_ms)
    return _event(Kind.EVENT, stream_pb2.StreamTelemetryRequest(timestamp_ms=time_ms, status_update=update))


def epoch_event(data: telemetry_pb2.EpochData) -> Event:
    """The end of an epoch."""
    return _event(Kind.EVENT, stream_pb2.StreamTelemetryRequest(timestamp_ms=data.timestamp_ms, epoch_data=data))


def result_event(result: command_pb2.CommandResult, time_ms: int) -> Event:
    """What became of a command."""
    return _event(Kind.RESULT, stream_pb2.StreamTelemetryRequest(timestamp_ms=time_ms, command_result=result))


def performance_event(data: telemetry_pb2.PerformanceData) -> Event:
    """How fast the training goes."""
    request = stream_pb2.StreamTelemetryRequest(timestamp_ms=data.timestamp_ms, performance_data=data)
    return _event(Kind.PERFORMANCE, request)


def heartbeat_event(number: int, time_ms: int) -> Event:
    """A sign of life."""
    beat = telemetry_pb2.Heartbeat(timestamp_ms=time_ms, sequence_number=number)
    return _event(Kind.EVENT, stream_pb2.StreamTelemetryRequest(timestamp_ms=time_ms, heartbeat=beat))


def ending(error: BaseException) -> tuple[training_pb2.TrainingStatus.ValueType, str]:
    """How a training ended that an exception left, and why."""
    match error:
        case TrainingStopped(completed=True):
            return training_pb2.TRAINING_STATUS_COMPLETED, error.reason
        case TrainingStopped():
            return training_pb2.TRAINING_STATUS_CANCELLED, error.reason
        case KeyboardInterrupt():
            return training_pb2.TRAINING_STATUS_CANCELLED, "interrupted at the trainer"
        case _:
            return training_pb2.TRAINING_STATUS_FAILED, f"{type(error).__name__}: {error}"


def _event(kind: Kind, request: stream_pb2.StreamTelemetryRequest) -> Event:
    return Event(kind, request.SerializeToString())
