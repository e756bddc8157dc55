from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from catenary.telemetry.v1 import stream_pb2, telemetry_pb2
from catenary_client.telemetry.messages import MessageBuilder, Outgoing
from catenary_client.telemetry.records import Batch, Event, Kind, Scalars
from catenary_client.telemetry.tiles import SeenTiles, snapshot

BUILDER = MessageBuilder("run-1", class_names=["cat", "dog"], pixels=16)
JPEG = b"\xff\xd8\xff\xc0\x00\x11\x08\x00\x10\x00\x20\x03"


def parsed(message: Outgoing) -> stream_pb2.StreamTelemetryRequest:
    return stream_pb2.StreamTelemetryRequest.FromString(b"".join(message.parts))


def batch(**changes: object) -> Batch:
    facts: dict[str, object] = {
        "epoch": 2,
        "index": 3,
        "size": 4,
        "step": 5,
        "time_ms": 6,
        "loss": 0.5,
        "accuracy": 0.25,
        "predictions": np.array([1, 0]),
        "ground_truth": np.array([0, 1]),
        "tiles": (),
        "image_bytes": 0,
        "ready": True,
    }
    return Batch(**(facts | changes))  # type: ignore[arg-type]  # as the loop gives them


@given(st.lists(st.binary(max_size=40000), max_size=16))
def test_a_batch_that_is_put_together_from_parts_is_the_message_of_the_contract(images: list[bytes]) -> None:
    request = parsed(BUILDER.batch(batch(tiles=tuple(images)), None, most_images=16))
    assert request.session_id == "run-1"
    assert request.timestamp_ms == 6
    data = request.batch_data
    assert [image.image_bytes for image in data.images] == images
    assert [image.image_id for image in data.images] == [f"2/3/{place}" for place in range(len(images))]
    assert (data.epoch, data.batch_idx, data.batch_size, data.global_step, data.timestamp_ms) == (2, 3, 4, 5, 6)
    assert (data.batch_loss, data.batch_accuracy) == (0.5, 0.25)
    assert [item.predicted_label for item in data.predictions] == ["dog", "cat"]
    assert list(data.ground_truth) == [0, 1]


def test_images_say_what_they_are() -> None:
    (image,) = parsed(BUILDER.batch(batch(tiles=(JPEG,)), None, most_images=16)).batch_data.images
    assert (image.format, image.width, image.height, image.channels) == ("jpeg", 32, 16, 3)


def test_no_more_images_go_than_the_server_takes() -> None:
    message = BUILDER.batch(batch(tiles=(JPEG,) * 16), None, most_images=3)
    assert message.image_count == 3
    assert len(parsed(message).batch_data.images) == 3


def test_a_batch_without_images_is_no_batch_with_images() -> None:
    assert BUILDER.batch(batch(), None, most_images=16).kind is Kind.BATCH


def test_an_image_that_was_seen_twice_is_named() -> None:
    seen = SeenTiles()
    sent = [BUILDER.batch(batch(tiles=(JPEG * 100,)), seen, most_images=16) for _ in range(3)]
    assert sent[2].size < sent[0].size / 5
    assert [bool(message.in_full) for message in sent] == [False, False, True]
    assert parsed(Outgoing(Kind.IMAGES, sent[2].in_full)) == parsed(sent[1])


def test_images_that_wait_on_the_disk_are_encoded_when_they_come_back() -> None:
    tiles, _ = snapshot(np.random.default_rng(0).random((3, 3, 8, 8), np.float32), 16)
    raw = BUILDER.raw_batch(batch(tiles=tiles, ready=False))
    assert raw.kind is Kind.RAW_IMAGES
    revived = BUILDER.revived(b"".join(raw.parts))
    assert revived.kind is Kind.IMAGES
    images = parsed(revived).batch_data.images
    assert [(image.format, image.width, image.image_id) for image in images] == [
        ("jpeg", 16, f"2/3/{place}") for place in range(3)
    ]
    assert [image.image_bytes for image in images] == [
        BUILDER.encode(tile) for tile in tiles if not isinstance(tile, bytes)
    ]


def test_a_batch_that_loses_its_images_keeps_the_rest() -> None:
    whole = BUILDER.batch(batch(tiles=(JPEG,) * 4), None, most_images=16)
    request = parsed(BUILDER.without_images(b"".join(whole.parts)))
    assert not request.batch_data.images
    assert request.batch_data.batch_loss == 0.5
    assert len(request.batch_data.predictions) == 2


def test_scalars_of_several_steps_share_a_message() -> None:
    message = BUILDER.metrics([Scalars(1, 1500, {"a": 1.0, "b": math.inf}), Scalars(2, 2500, {"a": 2.0})])
    samples = parsed(message).metric_batch.samples
    assert [(item.metric_name, item.global_step, item.value) for item in samples] == [
        ("a", 1, 1.0),
        ("b", 1, math.inf),
        ("a", 2, 2.0),
    ]
    assert samples[0].log_time.ToMilliseconds() == 1500


def test_a_gap_names_its_own_sequences() -> None:
    gap = parsed(BUILDER.gap(10, 5, 1)).gap
    assert (gap.from_sequence, gap.to_sequence, gap.dropped_count) == (10, 14, 5)
    assert gap.payload_class == telemetry_pb2.PAYLOAD_CLASS_IMAGE_BATCH


@pytest.mark.parametrize("loss", [math.inf, -math.inf, 1e300, -1e300])
def test_a_loss_beyond_a_float_is_infinite(loss: float) -> None:
    assert parsed(BUILDER.batch(batch(loss=loss), None, most_images=0)).batch_data.batch_loss == math.copysign(
        math.inf, loss
    )


def test_an_event_names_its_run() -> None:
    body = stream_pb2.StreamTelemetryRequest(timestamp_ms=7, heartbeat=telemetry_pb2.Heartbeat()).SerializeToString()
    request = parsed(BUILDER.event(Event(Kind.EVENT, body)))
    assert (request.session_id, request.timestamp_ms) == ("run-1", 7)
