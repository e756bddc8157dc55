from __future__ import annotations

import numpy as np
import pytest
from google.protobuf.message import DecodeError
from hypothesis import given, settings
from hypothesis import strategies as st

from catenary.telemetry.v1 import stream_pb2, telemetry_pb2
from catenary_client.telemetry.messages import MessageBuilder
from catenary_client.telemetry.records import Batch
from catenary_server.transport.codec.telemetry_images import (
    dropping_images,
    split,
    with_images,
    without_images,
)
from catenary_wire import fields

Request = stream_pb2.StreamTelemetryRequest

images = st.builds(
    telemetry_pb2.ImageData,
    image_bytes=st.one_of(st.binary(max_size=40), st.integers(100, 40_000).map(bytes)),
    format=st.sampled_from(["", "jpeg"]),
    width=st.integers(0, 2**32 - 1),
    image_id=st.text(max_size=200),
    content_sha256=st.binary(max_size=32),
)
batches = st.builds(
    telemetry_pb2.BatchData,
    images=st.lists(images, max_size=4),
    batch_loss=st.floats(width=32, allow_nan=False),
    ground_truth=st.lists(st.integers(-(2**31), 2**31 - 1), max_size=5),
    global_step=st.integers(0, 2**64 - 1),
)
requests = st.builds(
    Request,
    session_id=st.text(max_size=10),
    timestamp_ms=st.integers(0, 2**64 - 1),
    batch_data=batches,
    sequence=st.integers(0, 2**64 - 1),
)


def copy_of(request: stream_pb2.StreamTelemetryRequest) -> stream_pb2.StreamTelemetryRequest:
    return Request.FromString(request.SerializeToString())


@settings(deadline=None)
@given(requests)
def test_a_message_splits_into_its_images_and_the_rest(request: stream_pb2.StreamTelemetryRequest) -> None:
    assert_split(request.SerializeToString(), request)


def assert_split(raw: bytes, expected: stream_pb2.StreamTelemetryRequest) -> None:
    """A message splits as protobuf itself would split it."""
    rest, images = found = split(raw)
    whole = expected.batch_data.images
    assert [bytes(image) for image in images] == [image.image_bytes for image in whole]
    named = {i: each.content_sha256 for i, each in enumerate(whole) if each.content_sha256 and not each.image_bytes}
    assert found.named == named
    expected = copy_of(expected)
    for image in expected.batch_data.images:
        image.ClearField("image_bytes")
    assert encoded(rest) == encoded(expected)
    assert encoded(Request.FromString(without_images(raw))) == encoded(expected)


def encoded(request: stream_pb2.StreamTelemetryRequest) -> bytes:
    """To compare by: a NaN in a message makes it differ from itself."""
    return request.SerializeToString(deterministic=True)


@settings(deadline=None)
@given(st.one_of(st.binary(max_size=60), requests.map(lambda each: each.SerializeToString())), st.data())
def test_bytes_are_read_as_protobuf_reads_them(raw: bytes, data: st.DataObject) -> None:
    raw = raw[: data.draw(st.integers(0, len(raw)))] + data.draw(st.binary(max_size=6))
    try:
        expected = Request.FromString(raw)
    except DecodeError:
        with pytest.raises(DecodeError):
            split(raw)
    else:
        assert_split(raw, expected)


@given(st.lists(requests, min_size=2, max_size=3))
def test_messages_one_behind_the_other_are_merged_as_in_protobuf(
    parts: list[stream_pb2.StreamTelemetryRequest],
) -> None:
    raw = b"".join(part.SerializeToString() for part in parts)
    assert_split(raw, Request.FromString(raw))


@pytest.mark.parametrize("size", [127, 128, 16_383, 16_384, (1 << 21) - 1, 1 << 21, 3_000_000])
def test_images_of_any_size_are_found_and_not_copied(size: int) -> None:
    both = [telemetry_pb2.ImageData(image_bytes=bytes(size), width=7), telemetry_pb2.ImageData(image_bytes=b"x")]
    request = Request(session_id="run", batch_data=telemetry_pb2.BatchData(epoch=300, images=both, batch_loss=1))
    found = split(request.SerializeToString())
    assert [len(image) for image in found.images] == [size, 1]
    assert {type(image) for image in found.images} == {memoryview}
    assert [image.width for image in found.request.batch_data.images] == [7, 0]


def test_the_images_that_our_own_trainings_send_are_not_copied() -> None:
    logged = Batch(1, 2, 2, 3, 0, 0.5, 0.5, np.eye(2), np.array([1, 0]), (b"one", b"two"), 6, ready=True)
    found = split(b"".join(MessageBuilder("run").batch(logged, None, most_images=16).parts))
    assert {type(image) for image in found.images} == {memoryview}
    assert [bytes(image) for image in found.images] == [b"one", b"two"]


def test_the_last_image_bytes_count_as_in_protobuf() -> None:
    image = telemetry_pb2.ImageData(image_bytes=b"one").SerializeToString()
    image += telemetry_pb2.ImageData(image_bytes=b"two").SerializeToString()
    batch = fields.header(4, len(image)) + image
    raw = fields.header(3, len(batch)) + batch
    assert [bytes(each) for each in split(raw).images] == [b"two"]
    assert_split(raw, Request.FromString(raw))


def test_a_payload_behind_the_batch_takes_its_place() -> None:
    batch = Request(batch_data=telemetry_pb2.BatchData(images=[telemetry_pb2.ImageData(image_bytes=b"x")]))
    raw = batch.SerializeToString() + Request(heartbeat=telemetry_pb2.Heartbeat()).SerializeToString()
    assert split(raw).request.WhichOneof("payload") == "heartbeat"
    assert_split(raw, Request.FromString(raw))


@settings(deadline=None)
@given(requests, st.data())
def test_images_are_exchanged_or_removed_in_their_places(
    request: stream_pb2.StreamTelemetryRequest, data: st.DataObject
) -> None:
    images = request.batch_data.images
    chosen = data.draw(st.sets(st.integers(0, len(images) - 1))) if images else set()
    raw = request.SerializeToString()
    changed = Request.FromString(with_images(raw, dict.fromkeys(chosen, b"other")))
    emptied = Request.FromString(dropping_images(raw, list(chosen)))
    expected = copy_of(request)
    for index in chosen:
        expected.batch_data.images[index].image_bytes = b"other"
        images[index].Clear()
    assert changed == expected
    assert emptied == request


def test_what_a_newer_client_says_stays_in_the_message() -> None:
    image = telemetry_pb2.ImageData(image_bytes=b"x", width=3).SerializeToString() + b"\xf8\x3f\x01"
    raw = Request(session_id="run").SerializeToString() + b"\x1a" + bytes([len(image) + 2, 0x22, len(image)]) + image
    rest = without_images(raw)
    assert b"\xf8\x3f\x01" in rest
    assert b"\xf8\x3f\x01" in with_images(rest, {0: b"x"})


def test_a_message_without_a_batch_has_no_images() -> None:
    request = Request(session_id="run", heartbeat=telemetry_pb2.Heartbeat(sequence_number=1))
    assert_split(request.SerializeToString(), request)
