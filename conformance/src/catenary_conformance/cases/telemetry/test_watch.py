"""Viewers of a run: a snapshot, then every event, and no viewer in the way of anybody."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from catenary.telemetry.v1 import telemetry_pb2
from catenary.telemetry.v1.training_pb2 import TRAINING_STATUS_COMPLETED
from catenary_conformance import rpcs
from catenary_conformance.requirement import needs_two_tenants, requirement
from catenary_conformance.trainer import COMPLETED, RUNNING, Trainer, batch, samples
from catenary_conformance.watching import events, next_event, next_record, records, watch, watched

if TYPE_CHECKING:
    from catenary.telemetry.v1.watch_pb2 import RunSnapshot
    from catenary_conformance.target import Target

_CLASSES = {
    "scalars": telemetry_pb2.PAYLOAD_CLASS_SCALAR,
    "performance": telemetry_pb2.PAYLOAD_CLASS_PERFORMANCE,
    "images": telemetry_pb2.PAYLOAD_CLASS_IMAGE_BATCH,
}


def _snapshot(target: Target, run_id: str) -> RunSnapshot:
    with watch(target, run_id) as viewer:
        found: RunSnapshot = viewer.receive().snapshot
        return found


def _told(trainer: Trainer, batches: int = 10, *, images: int = 0) -> None:
    for index in range(batches):
        trainer.say(batch_data=batch(index, images=images))
    trainer.until_durable()


@requirement("CAT-TEL-027")
def test_a_watch_begins_with_the_only_snapshot_and_its_events_rise(target: Target) -> None:
    with Trainer.register(target) as trainer:
        _told(trainer)
        with watch(target, trainer.run_id, after_sequence=0) as viewer:
            assert viewer.receive().HasField("snapshot")
            _told(trainer, 5)
            trainer.finish()
            viewer.end().expect_ok()
            kinds, sequences = events(viewer.received), [each.sequence for each in viewer.received[1:]]
        assert kinds.count("snapshot") == 1
        assert sequences[:-1] == sorted(set(sequences[:-1])), "an event came twice or out of order"


@requirement("CAT-TEL-027")
def test_the_snapshot_shows_what_was_said_last(target: Target) -> None:
    with Trainer.register(target) as trainer:
        trainer.say(epoch_data=telemetry_pb2.EpochData(epoch=4, average_loss=0.25))
        _told(trainer, 3, images=2)
        snapshot = _snapshot(target, trainer.run_id)
        assert snapshot.run.run_id == trainer.run_id
        assert (snapshot.latest_epoch.epoch, snapshot.latest_batch.batch_idx) == (4, 2)
        assert all(each.image_bytes for each in snapshot.latest_batch.images)
        assert "batch_loss" in [each.metric_name for each in snapshot.series]


@requirement("CAT-TEL-028")
@pytest.mark.parametrize("images", [0, 2], ids=["bare", "with images"])
def test_a_watch_that_resumes_misses_nothing_after_its_place(target: Target, images: int) -> None:
    with Trainer.register(target) as trainer:
        for index in range(20):
            trainer.say(batch_data=batch(index, images=images))
            trainer.say(**samples(float(index), first_step=index))
        trainer.finish()
        whole = watched(target, trainer.run_id, after_sequence=0)
        assert [each.batch_idx for each in records(whole, "batch_data")] == list(range(20))
        assert [each.value for told in records(whole, "metric_batch") for each in told.samples] == list(range(20))
        middle = whole[len(whole) // 2]
        rest = watched(target, trainer.run_id, after_sequence=middle.sequence)
        later = [each.sequence for each in whole[1:] if each.sequence > middle.sequence]
        assert [each.sequence for each in rest[1:]] == later


@requirement("CAT-TEL-028")
def test_a_place_beyond_the_end_means_the_end(target: Target) -> None:
    with Trainer.register(target) as trainer:
        _told(trainer)
        trainer.finish()
        assert events(watched(target, trainer.run_id, after_sequence=10**9)) == ["snapshot", "run_ended"]


@requirement("CAT-TEL-029")
def test_images_that_a_watch_leaves_out_are_counted(target: Target) -> None:
    with Trainer.register(target) as trainer:
        _told(trainer, 10, images=1)
        trainer.finish()
        told = watched(target, trainer.run_id, after_sequence=0)
        batches = records(told, "batch_data")
        left_out = sum(not any(image.image_bytes for image in each.images) for each in batches)
        counts = [each.dropped for each in told if each.dropped]
        counted = {each.payload_class: each.count for each in counts[-1]} if counts else {}
        assert counted.get(telemetry_pb2.PAYLOAD_CLASS_IMAGE_BATCH, 0) == left_out


@requirement("CAT-TEL-030")
def test_a_viewer_that_does_not_read_delays_neither_the_training_nor_another_viewer(target: Target) -> None:
    with Trainer.register(target) as trainer:
        _told(trainer, 1)
        with watch(target, trainer.run_id, after_sequence=0) as idle, watch(target, trainer.run_id) as reading:
            assert idle.receive().HasField("snapshot")
            assert reading.receive().HasField("snapshot")
            for index in range(100, 160):
                trainer.say(batch_data=batch(index, images=8))
            trainer.until_durable()
            while next_record(reading, "batch_data").batch_idx < 159:
                pass
            trainer.say(status_update=RUNNING)
            trainer.say(status_update=COMPLETED)
            trainer.half_close().expect_ok()
            idle.end().expect_ok()
            assert [each.batch_idx for each in records(idle.received, "batch_data")][-1] == 159


@requirement("CAT-TEL-031")
@pytest.mark.parametrize("wanted", _CLASSES)
def test_only_the_payload_classes_that_were_asked_for_are_sent_and_events_always(target: Target, wanted: str) -> None:
    with Trainer.register(target) as trainer:
        trainer.say(status_update=RUNNING)
        trainer.say(performance_data=telemetry_pb2.PerformanceData(current_fps=60.0))
        trainer.say(**samples(1.0, 2.0))
        trainer.say(batch_data=batch(1, images=1))
        trainer.until_durable()
        trainer.finish()
        told = watched(target, trainer.run_id, after_sequence=0, payload_classes=[_CLASSES[wanted]])
        assert len(records(told, "status_update")) >= 2
        assert bool(records(told, "performance_data")) == (wanted == "performance")
        assert bool(records(told, "metric_batch")) == (wanted == "scalars")
        images = [each for data in records(told, "batch_data") for each in data.images if each.image_bytes]
        assert bool(images) == (wanted == "images")


@requirement("CAT-TEL-032")
def test_the_end_of_the_training_is_the_last_that_a_watch_tells(target: Target) -> None:
    with Trainer.register(target) as trainer:
        _told(trainer, 2)
        with watch(target, trainer.run_id) as viewer:
            assert viewer.receive().HasField("snapshot")
            trainer.finish()
            viewer.end().expect_ok()
            kinds = events(viewer.received)
        assert kinds[-1] == "run_ended"
        assert kinds.count("run_ended") == 1
        assert viewer.received[-1].run_ended.status == TRAINING_STATUS_COMPLETED


@requirement("CAT-TEL-044", "CAT-TEL-027")
def test_a_writer_that_is_replaced_is_told_to_viewers(target: Target) -> None:
    with Trainer.register(target) as first:
        _told(first, 1)
        with watch(target, first.run_id) as viewer:
            assert viewer.receive().HasField("snapshot")
            token = first.registration.resume_token
            Trainer.register(target, session_id=first.run_id, resume_token=token)
            assert next_event(viewer, "run_changed").run_changed.run_id == first.run_id


@requirement("CAT-TEL-025")
@needs_two_tenants
def test_another_principals_run_cannot_be_watched(target: Target, second_token: str) -> None:
    with Trainer.register(target) as trainer, watch(target, trainer.run_id, token=second_token) as viewer:
        rpcs.expect_reason(viewer.end(), "RUN_NOT_FOUND")
