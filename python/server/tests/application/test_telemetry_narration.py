from __future__ import annotations

from typing import TYPE_CHECKING, Any

from catenary_server.application.telemetry_narration import Narrator
from catenary_server.domain.progress import Progress
from catenary_server.domain.telemetry import TrainingStatus
from catenary_server.domain.telemetry_report import (
    BatchReport,
    EpochReport,
    SamplesReport,
    SpeedReport,
    StatusReport,
)
from catenary_server.domain.training import Stage, TrainStatus

if TYPE_CHECKING:
    from collections.abc import Iterable

    from catenary_server.domain.telemetry_report import Report


def told(events: Iterable[Progress], narrator: Narrator | None = None) -> list[Report]:
    narrator = narrator or Narrator(8)
    return [report for event in events for report in narrator.tell(event)]


def step(number: int, **fields: Any) -> Progress:
    defaults = {"losses": {"a_loss": 1.0, "b_loss": 0.5}, "batches_done": 1, "batches_total": 4, "learning_rate": 0.1}
    return Progress(**{**defaults, "global_step": number, "time": 100.0 + number, **fields})


def statuses(reports: list[Report]) -> list[tuple[TrainingStatus, str]]:
    return [(report.status, report.text) for report in reports if isinstance(report, StatusReport)]


def test_a_run_is_running_with_its_first_event() -> None:
    assert statuses(told([step(1), step(2)])) == [(TrainingStatus.RUNNING, "")]


def test_a_batch_has_the_sum_of_its_losses_and_each_loss_is_a_metric() -> None:
    reports = told([step(1, epoch=2, batch_index=3, metrics={"iou": 0.25})])
    (batch,) = (report for report in reports if isinstance(report, BatchReport))
    assert batch == BatchReport(epoch=2, index=3, size=8, loss=1.5, step=1, time=101.0)
    (samples,) = (report for report in reports if isinstance(report, SamplesReport))
    assert {sample.metric_name: sample.value for sample in samples.samples} == {
        "train/a_loss": 1.0,
        "train/b_loss": 0.5,
        "train/iou": 0.25,
        "train/learning_rate": 0.1,
    }


def test_values_of_fast_steps_travel_together_and_none_is_left_behind() -> None:
    fast = [step(number, time=100.0 + number / 100) for number in range(1, 31)]
    end = Progress(status=TrainStatus.COMPLETED, time=101.0)
    groups = [report.samples for report in told([*fast, end]) if isinstance(report, SamplesReport)]
    assert 1 < len(groups) < 8
    steps = [sample.step for group in groups for sample in group if sample.metric_name == "train/a_loss"]
    assert steps == list(range(1, 31))


def test_an_epoch_ends_with_its_validation_or_with_the_next_one() -> None:
    first = [step(1), step(2, losses={"a_loss": 0.5})]
    validated = Progress(stage=Stage.VALIDATE, losses={"val_a_loss": 0.75}, metrics={"val_iou": 0.5}, time=103.0)
    second = [step(3, epoch=1), step(4, epoch=2)]
    end = Progress(status=TrainStatus.COMPLETED, time=106.0)
    epochs = [report for report in told([*first, validated, *second, end]) if isinstance(report, EpochReport)]
    assert epochs == [
        EpochReport(epoch=0, loss=1.0, learning_rate=0.1, validation_loss=0.75, time=103.0),
        EpochReport(epoch=1, loss=1.5, learning_rate=0.1, validation_loss=None, time=104.0),
        EpochReport(epoch=2, loss=1.5, learning_rate=0.1, validation_loss=None, time=106.0),
    ]


def test_the_speed_is_told_about_once_a_second() -> None:
    events = [step(number, time=100.0 + number / 10, remaining_seconds=7.0) for number in range(1, 32)]
    speeds = [report for report in told(events) if isinstance(report, SpeedReport)]
    assert len(speeds) in (2, 3)
    assert all(abs(speed.current - 10.0) < 0.5 and abs(speed.average - 10.0) < 0.5 for speed in speeds)
    assert speeds[0].remaining_seconds == 7.0
    assert abs(speeds[0].epoch_seconds - 0.4) < 0.05


def test_statistics_tell_their_nodes_and_how_far_they_are() -> None:
    events = [
        Progress(message="Initializing rx ...", batches_total=2, time=1.0),
        Progress(message="Processing batch 1/2", batches_done=1, batches_total=2, global_step=1, time=2.0),
        Progress(message="Processing batch 2/2", batches_done=2, batches_total=2, global_step=2, time=3.0),
        Progress(message="Initializing svdd ...", batches_total=2, global_step=2, time=4.0),
    ]
    reports = told(events)
    assert [text for _, text in statuses(reports)] == ["Initializing rx ...", "Initializing svdd ..."]
    assert not [report for report in reports if isinstance(report, (BatchReport, EpochReport))]
    samples = [sample for report in reports if isinstance(report, SamplesReport) for sample in report.samples]
    assert [(sample.metric_name, sample.step, sample.value) for sample in samples] == [
        ("train/batches_done", 1, 1.0),
        ("train/batches_done", 2, 2.0),
    ]


def test_a_pause_and_its_end_are_told_and_the_final_status_is_the_last() -> None:
    events = [
        step(1),
        step(1, status=TrainStatus.PAUSED, losses={}, message="Paused after step 1"),
        step(1, losses={}, message="Going on"),
        step(2),
        step(2, status=TrainStatus.FAILED, losses={}, message="it broke"),
    ]
    reports = told(events)
    assert statuses(reports) == [
        (TrainingStatus.RUNNING, ""),
        (TrainingStatus.PAUSED, "Paused after step 1"),
        (TrainingStatus.RUNNING, "Going on"),
        (TrainingStatus.FAILED, "it broke"),
    ]
    assert isinstance(reports[-1], StatusReport)
    assert [report.step for report in reports if isinstance(report, BatchReport)] == [1, 2]
    names = {each.metric_name for report in reports if isinstance(report, SamplesReport) for each in report.samples}
    assert names == {"train/a_loss", "train/b_loss", "train/learning_rate"}


def test_a_checkpoint_is_told_once() -> None:
    note = step(1, losses={}, message="Checkpoint saved: last.safetensors")
    assert statuses(told([step(1), note, note, step(2)]))[1:] == [
        (TrainingStatus.RUNNING, "Checkpoint saved: last.safetensors")
    ]


def test_a_status_that_was_lost_is_told_again() -> None:
    narrator, end = Narrator(8), step(3, status=TrainStatus.COMPLETED, losses={}, message="done")
    told([step(1), end], narrator)
    assert told([end], narrator) == []
    narrator.forget_status()
    assert statuses(told([end], narrator)) == [(TrainingStatus.COMPLETED, "done")]


def test_a_batch_has_the_size_that_holds_now() -> None:
    narrator = Narrator(8)
    told([step(1)], narrator)
    narrator.batch_size = 2
    (batch,) = (report for report in told([step(2)], narrator) if isinstance(report, BatchReport))
    assert batch.size == 2
