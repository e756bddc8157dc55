"""What a training on this server says about itself, in the words of the contract."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Final, assert_never

from google.protobuf.timestamp_pb2 import Timestamp

from catenary.telemetry.v1 import command_pb2, metric_pb2, stream_pb2, telemetry_pb2, training_pb2
from catenary_server.domain.telemetry import CommandType
from catenary_server.domain.telemetry_report import (
    BatchReport,
    EpochReport,
    ObeyedReport,
    SamplesReport,
    SpeedReport,
    StatusReport,
)
from catenary_server.domain.training import TrainStatus
from catenary_wire import names

if TYPE_CHECKING:
    from collections.abc import Mapping

    from catenary_server.domain.telemetry_report import Report, Sample, Setup

Request = stream_pb2.StreamTelemetryRequest

_LONGEST_TEXT: Final = 1024
_STATUSES: Final[Mapping[TrainStatus, training_pb2.TrainingStatus.ValueType]] = {
    TrainStatus.IN_PROGRESS: training_pb2.TRAINING_STATUS_RUNNING,
    TrainStatus.PAUSED: training_pb2.TRAINING_STATUS_PAUSED,
    TrainStatus.COMPLETED: training_pb2.TRAINING_STATUS_COMPLETED,
    TrainStatus.FAILED: training_pb2.TRAINING_STATUS_FAILED,
    TrainStatus.CANCELLED: training_pb2.TRAINING_STATUS_CANCELLED,
}


class TelemetryReportCodec:
    """See `ReportCodec`."""

    def setup(self, setup: Setup) -> bytes:
        """See `ReportCodec.setup`."""
        config = training_pb2.TrainingConfig(
            model_name=setup.model_name,
            dataset_name=setup.dataset_name,
            total_epochs=setup.total_epochs,
            batch_size=setup.batch_size,
            learning_rate=setup.learning_rate,
            optimizer_name=setup.optimizer_name,
            loss_name=setup.loss_name,
            device_name=setup.device_name,
            hyperparameters=setup.hyperparameters,
        )
        return config.SerializeToString()

    def report(self, run_id: str, report: Report) -> bytes:
        """See `ReportCodec.report`."""
        request = Request(session_id=run_id, timestamp_ms=time.time_ns() // 1_000_000)
        match report:
            case StatusReport():
                request.status_update.CopyFrom(_status(report))
            case BatchReport():
                request.batch_data.CopyFrom(_batch(report))
            case EpochReport():
                request.epoch_data.CopyFrom(_epoch(report))
            case SpeedReport():
                request.performance_data.CopyFrom(_speed(report))
            case SamplesReport():
                request.metric_batch.samples.extend(map(_sample, report.samples))
            case ObeyedReport():
                request.command_result.CopyFrom(_obeyed(report))
            case _:
                assert_never(report)
        return request.SerializeToString()


def _status(report: StatusReport) -> telemetry_pb2.StatusUpdate:
    return telemetry_pb2.StatusUpdate(
        status=names.number_of(training_pb2.TrainingStatus, report.status),
        message=report.text[:_LONGEST_TEXT],
        timestamp_ms=_milliseconds(report.time),
    )


def _batch(report: BatchReport) -> telemetry_pb2.BatchData:
    return telemetry_pb2.BatchData(
        epoch=report.epoch,
        batch_idx=report.index,
        batch_size=report.size,
        batch_loss=report.loss,
        batch_accuracy=math.nan,
        timestamp_ms=_milliseconds(report.time),
        global_step=report.step,
    )


def _epoch(report: EpochReport) -> telemetry_pb2.EpochData:
    return telemetry_pb2.EpochData(
        epoch=report.epoch,
        average_loss=report.loss,
        average_accuracy=math.nan,
        learning_rate=report.learning_rate,
        validation_loss=report.validation_loss,
        timestamp_ms=_milliseconds(report.time),
    )


def _speed(report: SpeedReport) -> telemetry_pb2.PerformanceData:
    return telemetry_pb2.PerformanceData(
        time_per_batch_ms=1000.0 / report.current,
        total_time_for_epoch_sec=report.epoch_seconds,
        estimated_time_remaining_sec=report.remaining_seconds,
        current_fps=report.current,
        average_fps=report.average,
        timestamp_ms=_milliseconds(report.time),
    )


def _sample(sample: Sample) -> metric_pb2.MetricSample:
    log_time = Timestamp()
    log_time.FromMicroseconds(round(sample.time * 1e6))
    return metric_pb2.MetricSample(
        metric_name=sample.metric_name, global_step=sample.step, value=sample.value, log_time=log_time
    )


def _obeyed(report: ObeyedReport) -> command_pb2.CommandResult:
    applied, kind = report.applied, report.command.type
    result = command_pb2.CommandApplied(
        applied_at_step=applied.step, old_setting=_setting(kind, applied.old), new_setting=_setting(kind, applied.new)
    )
    return command_pb2.CommandResult(command_id=report.command.command_id, applied=result)


def _setting(kind: CommandType, value: TrainStatus | float) -> command_pb2.CommandSetting:
    if isinstance(value, TrainStatus):
        return command_pb2.CommandSetting(status=_STATUSES[value])
    if kind is CommandType.ADJUST_BATCH_SIZE:
        return command_pb2.CommandSetting(batch_size=int(value))
    return command_pb2.CommandSetting(learning_rate=value)


def _milliseconds(seconds: float) -> int:
    return round(seconds * 1000)
