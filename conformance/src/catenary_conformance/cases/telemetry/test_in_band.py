"""What a training said wrongly is refused in band, and its stream goes on."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import pytest

from catenary.telemetry.v1.telemetry_pb2 import BatchData, ImageData, StatusUpdate
from catenary.telemetry.v1.training_pb2 import TRAINING_STATUS_COMPLETED, TRAINING_STATUS_PAUSED
from catenary.v1.error_pb2 import ERROR_REASON_IMAGE_INVALID, ErrorReason
from catenary_conformance.conversation import NotAnswered
from catenary_conformance.requirement import requirement, slow
from catenary_conformance.trainer import Trainer, batch, image
from catenary_conformance.watching import records, watched

if TYPE_CHECKING:
    from collections.abc import Callable

    from catenary.telemetry.v1.registration_pb2 import ServerConfig
    from catenary.telemetry.v1.training_pb2 import TrainingStatus
    from catenary_conformance.target import Target


def _stored(target: Target, trainer: Trainer) -> list[BatchData]:
    trainer.finish()
    return records(watched(target, trainer.run_id, after_sequence=0), "batch_data")


@requirement("CAT-TEL-012", "CAT-TEL-006")
def test_a_batch_with_too_many_images_is_refused_with_its_number(target: Target) -> None:
    with Trainer.register(target) as trainer:
        most = trainer.registration.server_config.max_images_per_batch
        refused = trainer.say(batch_data=batch(1, images=most + 1))
        rejection = trainer.reply("rejection")
        assert rejection.sequence == refused
        assert not rejection.HasField("image_index")
        assert rejection.reason != ErrorReason.ERROR_REASON_UNSPECIFIED
        trainer.say(batch_data=batch(2, images=most))
        trainer.until_durable()
        assert [each.batch_idx for each in _stored(target, trainer)] == [2]


@requirement("CAT-TEL-006")
def test_the_server_takes_as_much_as_it_says(target: Target) -> None:
    with Trainer.register(target) as trainer:
        limits = trainer.registration.server_config
        widest = image(1, side=limits.max_image_dimension)
        labels = list(range(limits.max_batch_size))
        trainer.say(batch_data=BatchData(batch_idx=1, images=[widest], ground_truth=labels))
        trainer.half_close().expect_ok()
        rejected = [each for each in trainer.stream.received if each.HasField("rejection")]
        assert not rejected


@requirement("CAT-TEL-006")
def test_the_server_takes_no_more_labels_than_it_says(target: Target) -> None:
    with Trainer.register(target) as trainer:
        labels = [0] * (trainer.registration.server_config.max_batch_size + 1)
        refused = trainer.say(batch_data=BatchData(batch_idx=1, ground_truth=labels))
        assert trainer.reply("rejection").sequence == refused


def _too_wide(limits: ServerConfig) -> ImageData:
    return image(1, side=limits.max_image_dimension + 1)


def _no_image(_limits: ServerConfig) -> ImageData:
    return ImageData(image_bytes=b"<svg onload='alert(1)'/>", width=8, height=8)


def _empty(_limits: ServerConfig) -> ImageData:
    return ImageData(width=8, height=8)


def _another_format(_limits: ServerConfig) -> ImageData:
    found = image(1)
    found.format = "jpeg"
    return found


@requirement("CAT-TEL-013")
@pytest.mark.parametrize("bad", [_too_wide, _no_image, _empty, _another_format], ids=lambda each: each.__name__[1:])
def test_an_image_that_is_none_or_too_large_is_left_out_and_the_rest_kept(
    target: Target, bad: Callable[[ServerConfig], ImageData]
) -> None:
    with Trainer.register(target) as trainer:
        wrong = bad(trainer.registration.server_config)
        sent = trainer.say(batch_data=BatchData(batch_idx=1, images=[image(2), wrong, image(3)], batch_loss=0.5))
        rejection = trainer.reply("rejection")
        assert (rejection.sequence, rejection.image_index) == (sent, 1)
        assert rejection.reason == ERROR_REASON_IMAGE_INVALID
        trainer.until_durable()
        (stored,) = _stored(target, trainer)
        assert stored.batch_loss == 0.5


@requirement("CAT-TEL-012")
def test_a_writer_without_numbers_is_told_of_a_refused_batch_as_an_error(target: Target) -> None:
    with Trainer.register(target) as trainer:
        most = trainer.registration.server_config.max_images_per_batch
        trainer.say_unnumbered(batch_data=batch(1, images=most + 1))
        error = trainer.reply("error")
        assert error.code == error.ERROR_CODE_INVALID_DATA
        trainer.say_unnumbered(batch_data=batch(2))
        assert trainer.reply("ack").batch_idx == 2


@requirement("CAT-TEL-013")
def test_an_image_may_be_named_by_its_hash_once_it_was_sent(target: Target) -> None:
    with Trainer.register(target) as trainer:
        tile = image(7)
        named = ImageData(content_sha256=tile.content_sha256)
        trainer.say(batch_data=BatchData(batch_idx=1, images=[tile, named]))
        trainer.say(batch_data=BatchData(batch_idx=2, images=[named]))
        trainer.until_durable()
        stream = trainer.stream
        trainer.finish()
        snapshot = watched(target, trainer.run_id)[0].snapshot
        assert [each.image_bytes for each in snapshot.latest_batch.images] == [tile.image_bytes]
        assert not [each for each in stream.received if each.HasField("rejection")]


@requirement("CAT-TEL-026")
@pytest.mark.parametrize("wrong", [TRAINING_STATUS_PAUSED, TRAINING_STATUS_COMPLETED], ids=["paused", "completed"])
def test_a_change_of_status_that_is_not_legal_is_refused(target: Target, wrong: TrainingStatus.ValueType) -> None:
    with Trainer.register(target) as trainer:
        refused = trainer.say(status_update=StatusUpdate(status=wrong))
        assert trainer.reply("rejection").sequence == refused
        trainer.say(batch_data=batch(1))
        trainer.until_durable()


@requirement("CAT-TEL-015")
@slow
def test_a_stream_that_falls_silent_is_ended_and_what_it_said_is_kept(target: Target) -> None:
    with Trainer.register(target) as trainer:
        trainer.say(batch_data=batch(1))
        trainer.until_durable()
        answer = trainer.stream.end()
        assert answer.reason == "HEARTBEAT_LOST"
        assert answer.timed_out
        with Trainer(target, trainer.registration) as again:
            again.sequence = trainer.sequence
            again.say(batch_data=batch(2))
            again.until_durable()
            assert [each.batch_idx for each in _stored(target, again)] == [1, 2]


@requirement("CAT-TEL-014")
@slow
def test_a_stream_of_heartbeats_alone_stays_open(target: Target) -> None:
    with Trainer.register(target) as trainer:
        interval = trainer.registration.server_config.heartbeat_interval_ms / 1000
        trainer.say(batch_data=batch(1))
        trainer.until_durable()
        for _ in range(8):
            trainer.heartbeat()
            with contextlib.suppress(NotAnswered):  # nothing is to come: this waits
                trainer.stream.receive(interval / 2)
        trainer.say(batch_data=batch(2))
        trainer.until_durable()
