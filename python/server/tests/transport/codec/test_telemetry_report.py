from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pytest

from catenary.telemetry.v1 import stream_pb2, training_pb2
from catenary_server.domain.control import Applied
from catenary_server.domain.telemetry import Command, CommandType, TelemetryLimits, TrainingStatus
from catenary_server.domain.telemetry_report import (
    BatchReport,
    EpochReport,
    ObeyedReport,
    Sample,
    SamplesReport,
    Setup,
    SpeedReport,
    StatusReport,
)
from catenary_server.domain.training import TrainStatus
from catenary_server.transport.codec.telemetry_message import TelemetryCodec
from catenary_server.transport.codec.telemetry_report import TelemetryReportCodec
from catenary_server.transport.interceptors.rules import FieldRules

if TYPE_CHECKING:
    from catenary_server.domain.telemetry_report import Report

CODEC = TelemetryReportCodec()
TIME = 1_700_000_000.25


def obeyed(kind: CommandType, old: TrainStatus | float, new: TrainStatus | float) -> ObeyedReport:
    argument = None if isinstance(new, TrainStatus) else new
    return ObeyedReport(Command("c", kind, argument, TIME, TIME), Applied(7, old, new))


REPORTS: tuple[Report, ...] = (
    StatusReport(TrainingStatus.RUNNING, "it goes on", TIME),
    StatusReport(TrainingStatus.FAILED, "ä" * 5000, TIME),
    BatchReport(epoch=1, index=2, size=8, loss=0.5, step=3, time=TIME),
    EpochReport(epoch=1, loss=math.inf, learning_rate=0.1, validation_loss=None, time=TIME),
    SpeedReport(current=60.0, average=50.0, epoch_seconds=2.0, remaining_seconds=0.0, time=TIME),
    SamplesReport((Sample("train/loss", 3, math.nan, TIME), Sample("iou", 3, 0.25, TIME))),
    obeyed(CommandType.PAUSE_TRAINING, TrainStatus.IN_PROGRESS, TrainStatus.PAUSED),
    obeyed(CommandType.ADJUST_BATCH_SIZE, 8.0, 4.0),
    obeyed(CommandType.CHANGE_LEARNING_RATE, 0.1, 0.01),
)


@pytest.mark.parametrize("report", REPORTS, ids=lambda report: type(report).__name__)
def test_what_is_said_here_keeps_every_rule_that_others_have_to_keep(report: Report) -> None:
    incoming = TelemetryCodec(FieldRules(), TelemetryLimits()).arrived(CODEC.report("run", report))
    assert incoming.refusals == ()


def encoded(report: Report) -> stream_pb2.StreamTelemetryRequest:
    return stream_pb2.StreamTelemetryRequest.FromString(CODEC.report("run", report))


def test_times_are_those_of_the_training() -> None:
    for report in REPORTS[:5]:
        request = encoded(report)
        assert getattr(request, request.WhichOneof("payload") or "").timestamp_ms == 1_700_000_000_250
    samples = encoded(REPORTS[5]).metric_batch.samples
    assert [sample.log_time.ToMilliseconds() for sample in samples] == [1_700_000_000_250] * 2


def test_a_result_has_the_setting_that_the_command_changes() -> None:
    paused, resized, slowed = (encoded(report).command_result.applied for report in REPORTS[6:])
    assert {paused.applied_at_step, resized.applied_at_step, slowed.applied_at_step} == {7}
    assert paused.old_setting.status == training_pb2.TRAINING_STATUS_RUNNING
    assert paused.new_setting.status == training_pb2.TRAINING_STATUS_PAUSED
    assert (resized.old_setting.batch_size, resized.new_setting.batch_size) == (8, 4)
    assert (slowed.old_setting.learning_rate, slowed.new_setting.learning_rate) == (0.1, 0.01)


def test_an_epoch_without_validation_has_no_validation_loss() -> None:
    assert not encoded(REPORTS[3]).epoch_data.HasField("validation_loss")


def test_a_setup_says_what_it_knows_and_leaves_out_the_rest() -> None:
    setup = Setup(model_name="small", total_epochs=3, hyperparameters={"seed": "1"})
    config = training_pb2.TrainingConfig.FromString(CODEC.setup(setup))
    assert (config.model_name, config.total_epochs, dict(config.hyperparameters)) == ("small", 3, {"seed": "1"})
    assert not config.HasField("learning_rate")
    assert not config.HasField("batch_size")
