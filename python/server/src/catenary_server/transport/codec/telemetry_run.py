"""Runs, metrics and what viewers see, between the domain and the contract."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from catenary.telemetry.v1 import command_pb2, metric_pb2, run_pb2, stream_pb2, telemetry_pb2, training_pb2, watch_pb2
from catenary.v1 import error_pb2
from catenary_server.application.telemetry_watch import RunChanged, RunEnded, Said, Snapshot, View
from catenary_server.domain.telemetry import Capability, CommandType, PayloadClass, TrainingStatus
from catenary_server.transport.codec.telemetry_stream import encode_command
from catenary_server.transport.codec.times import timestamp
from catenary_wire import fields, names

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from catenary_server.application.telemetry_live import LiveRun
    from catenary_server.application.telemetry_watch import Seen
    from catenary_server.domain.telemetry import Series

_RECORD = watch_pb2.WatchRunResponse.RECORD_FIELD_NUMBER


def encode_run(run: LiveRun) -> run_pb2.Run:
    """A run as it is."""
    state = run.state
    message = run_pb2.Run(
        run_id=state.run_id,
        status=names.number_of(training_pb2.TrainingStatus, state.status),
        writer_state=names.number_of(run_pb2.WriterState, state.writer_state),
        client_name=state.client_name,
        client_version=state.client_version,
        tags=state.tags,
        create_time=timestamp(state.create_time),
        update_time=timestamp(state.update_time),
        commands=[_capability(each) for each in state.commands],
        metric_names=sorted(state.metric_names),
        last_sequence=run.written,
        stored_bytes=run.size_bytes,
        dropped=_dropped(state.dropped),
    )
    if state.start_time is not None:
        message.start_time.CopyFrom(timestamp(state.start_time))
    if state.end_time is not None:
        message.end_time.CopyFrom(timestamp(state.end_time))
    if state.config:
        message.config.ParseFromString(state.config)
    if state.status is TrainingStatus.FAILED:
        message.failure.CopyFrom(error_pb2.Failure(message=state.failure))
    return message


def encode_series(series: Series) -> metric_pb2.MetricSeries:
    """A series; values that are not numbers become NaN again."""
    return metric_pb2.MetricSeries(
        metric_name=series.metric_name,
        global_steps=series.steps,
        log_times_unix_ms=series.times_ms,
        minimums=_numbers(series.minimums),
        maximums=_numbers(series.maximums) if series.samples_per_point > 1 else (),
        samples_per_point=series.samples_per_point,
        sample_count=series.sample_count,
    )


def decode_view(request: watch_pb2.WatchRunRequest) -> View:
    """What a viewer wants to see."""
    classes = (names.short_name(telemetry_pb2.PayloadClass, number) for number in request.payload_classes)
    view = View(
        after_sequence=request.after_sequence if request.HasField("after_sequence") else None,
        classes=frozenset(map(PayloadClass, classes)),
        image_interval=1.0 / request.image_rate_hz if request.HasField("image_rate_hz") else 0.0,
    )
    if not request.HasField("snapshot_points"):
        return view
    return View(
        after_sequence=view.after_sequence,
        classes=view.classes,
        image_interval=view.image_interval,
        snapshot_points=request.snapshot_points,
    )


def encode_seen(seen: Seen) -> bytes:
    """One message to a viewer. What the training said goes in as it is: its images are copied once, and not parsed."""
    message = watch_pb2.WatchRunResponse(sequence=seen.position, dropped=_dropped(seen.dropped))
    match seen.event:
        case Said(raw):
            return b"".join((message.SerializeToString(), fields.header(_RECORD, len(raw)), raw))
        case Snapshot():
            message.snapshot.CopyFrom(_snapshot(seen.event))
        case RunChanged(run):
            message.run_changed.CopyFrom(encode_run(run))
        case RunEnded(run):
            message.run_ended.CopyFrom(encode_run(run))
        case command:
            message.command.CopyFrom(encode_command(command))
    return message.SerializeToString()


def decode_capability(message: command_pb2.CommandCapability) -> Capability:
    """A kind of command that a training obeys."""
    return Capability(
        CommandType(names.short_name(command_pb2.CommandType, message.type)),
        message.minimum if message.HasField("minimum") else None,
        message.maximum if message.HasField("maximum") else None,
    )


def _capability(capability: Capability) -> command_pb2.CommandCapability:
    message = command_pb2.CommandCapability(type=names.number_of(command_pb2.CommandType, capability.type))
    if capability.minimum is not None:
        message.minimum = capability.minimum
    if capability.maximum is not None:
        message.maximum = capability.maximum
    return message


def _snapshot(snapshot: Snapshot) -> watch_pb2.RunSnapshot:
    message = watch_pb2.RunSnapshot(
        run=encode_run(snapshot.run),
        series=[encode_series(each) for each in snapshot.series],
        open_commands=[encode_command(each) for each in snapshot.open_commands],
    )
    request = stream_pb2.StreamTelemetryRequest
    if snapshot.latest_batch is not None:
        message.latest_batch.CopyFrom(request.FromString(snapshot.latest_batch).batch_data)
    if snapshot.latest_epoch is not None:
        message.latest_epoch.CopyFrom(request.FromString(snapshot.latest_epoch).epoch_data)
    if snapshot.latest_performance is not None:
        message.latest_performance.CopyFrom(request.FromString(snapshot.latest_performance).performance_data)
    return message


def _dropped(counts: Mapping[PayloadClass, int]) -> list[telemetry_pb2.DroppedCount]:
    return [
        telemetry_pb2.DroppedCount(payload_class=names.number_of(telemetry_pb2.PayloadClass, name), count=count)
        for name, count in counts.items()
    ]


def _numbers(values: Iterable[float | None]) -> list[float]:
    return [math.nan if value is None else value for value in values]
