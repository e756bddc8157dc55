from __future__ import annotations

from typing import Any

import pytest
from rich.console import Console

from catenary.telemetry.v1 import (
    command_pb2,
    metric_pb2,
    run_pb2,
    stream_pb2,
    telemetry_pb2,
    training_pb2,
    watch_pb2,
)
from catenary.v1 import error_pb2
from catenary_client.cli.run_view import RunView
from catenary_client.run_results import RunEvent

RUNNING = training_pb2.TRAINING_STATUS_RUNNING


def said(**payload: Any) -> RunEvent:
    record = stream_pb2.StreamTelemetryRequest(session_id="run", timestamp_ms=1000, **payload)
    return RunEvent.of(watch_pb2.WatchRunResponse(sequence=1, record=record))


def stands(kind: str, **fields: Any) -> RunEvent:
    run = run_pb2.Run(run_id="run", **{"status": RUNNING, "writer_state": run_pb2.WRITER_STATE_LIVE, **fields})
    event = {"snapshot": watch_pb2.RunSnapshot(run=run)} if kind == "snapshot" else {kind: run}
    return RunEvent.of(watch_pb2.WatchRunResponse(sequence=1, **event))


def command(**fields: Any) -> RunEvent:
    message = command_pb2.ControlCommand(command_id="c", **fields)
    return RunEvent.of(watch_pb2.WatchRunResponse(sequence=1, command=message))


def line(view: RunView, event: RunEvent) -> str:
    """What an event says, without the time before it."""
    return view.take(event).partition(" ")[2]


def test_a_batch_changes_where_the_run_stands_and_is_no_line_of_its_own() -> None:
    view = RunView()
    batch = {"epoch": 2, "batch_idx": 5, "batch_loss": 0.5, "batch_accuracy": float("nan"), "global_step": 37}
    assert view.take(said(batch_data=batch)) == ""
    assert view.take(said(performance_data={"current_fps": 60, "average_fps": 50})) == ""
    samples = [metric_pb2.MetricSample(metric_name="iou", global_step=37, value=0.25)]
    assert view.take(said(metric_batch={"samples": samples})) == ""
    assert view.standing() == ("epoch 2 batch 5 step 37  loss 0.5  iou 0.25  60.0 batches/s (average 50.0)")


def test_an_epoch_says_what_it_has_and_nothing_of_what_it_lacks() -> None:
    epoch = telemetry_pb2.EpochData(epoch=3, average_loss=0.5, average_accuracy=float("nan"), learning_rate=0.1)
    assert line(RunView(), said(epoch_data=epoch)) == "epoch 3 ended: loss 0.5, learning rate 0.1"
    epoch.validation_accuracy = 0.75
    assert line(RunView(), said(epoch_data=epoch)).endswith("validation accuracy 0.75")


def test_a_command_is_named_again_with_its_result() -> None:
    view = RunView()
    asked = command(type=command_pb2.COMMAND_TYPE_CHANGE_LEARNING_RATE, learning_rate=0.05)
    assert line(view, asked) == "command lr 0.05"
    applied = command_pb2.CommandApplied(
        applied_at_step=7,
        old_setting=command_pb2.CommandSetting(learning_rate=0.1),
        new_setting=command_pb2.CommandSetting(learning_rate=0.05),
    )
    assert line(view, said(command_result={"command_id": "c", "applied": applied})) == (
        "command lr 0.05 applied at step 7: 0.1 -> 0.05"
    )
    refused = command_pb2.CommandRefused(reason=error_pb2.ERROR_REASON_COMMAND_EXPIRED, message="too late")
    assert line(view, said(command_result={"command_id": "other", "refused": refused})) == (
        "command other refused with COMMAND_EXPIRED: too late"
    )


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"type": command_pb2.COMMAND_TYPE_PAUSE_TRAINING}, "pause"),
        ({"type": command_pb2.COMMAND_TYPE_ADJUST_BATCH_SIZE, "batch_size": 64}, "batch-size 64"),
    ],
)
def test_a_command_reads_as_it_is_typed(fields: dict[str, Any], words: str) -> None:
    assert line(RunView(), command(**fields)) == f"command {words}"


def test_a_trainer_that_falls_silent_and_comes_back_is_told() -> None:
    view = RunView()
    assert line(view, stands("snapshot")) == "run run is RUNNING"
    assert line(view, stands("run_changed")) == ""
    silent = stands("run_changed", writer_state=run_pb2.WRITER_STATE_SILENT)
    assert line(view, silent) == "RUNNING, its trainer is silent"
    assert line(view, stands("run_changed")) == "RUNNING"


def test_the_end_says_why() -> None:
    failed = stands(
        "run_ended", status=training_pb2.TRAINING_STATUS_FAILED, failure=error_pb2.Failure(message="no memory")
    )
    assert line(RunView(), failed) == "the run has ended: FAILED no memory"


def test_dropped_messages_are_told() -> None:
    gap = {
        "payload_class": telemetry_pb2.PAYLOAD_CLASS_IMAGE_BATCH,
        "from_sequence": 1,
        "to_sequence": 9,
        "dropped_count": 4,
    }
    assert line(RunView(), said(gap=gap)) == "4 messages of class image_batch were dropped by the trainer"


def test_a_terminal_shows_how_the_run_stands_and_what_happened_last() -> None:
    view = RunView()
    view.take(stands("snapshot"))
    for number in range(20):
        view.take(said(status_update={"status": RUNNING, "message": f"note {number}"}))
    console = Console(width=80, record=True)
    console.print(view.picture())
    shown = console.export_text()
    assert "RUNNING" in shown
    assert "note 19" in shown
    assert "note 11" not in shown
