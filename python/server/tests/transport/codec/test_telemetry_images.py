from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from catenary.telemetry.v1 import stream_pb2, telemetry_pb2
from catenary_server.transport.codec.telemetry_images import (
    dropping_images,
    named_images,
    take_images,
    with_images,
    without_images,
)

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
def test_images_are_taken_out_of_a_message_and_nothing_else(request: stream_pb2.StreamTelemetryRequest) -> None:
    rest = copy_of(request)
    taken = take_images(rest)
    assert taken == [image.image_bytes for image in request.batch_data.images]
    for image in request.batch_data.images:
        image.image_bytes = b""
    assert rest == request
    assert Request.FromString(without_images(request.SerializeToString())) == request


@settings(deadline=None)
@given(requests)
def test_images_that_are_only_named_are_told_by_their_places(request: stream_pb2.StreamTelemetryRequest) -> None:
    images = request.batch_data.images
    expected = {i: each.content_sha256 for i, each in enumerate(images) if each.content_sha256 and not each.image_bytes}
    assert named_images(request, take_images(request)) == expected


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
    assert take_images(request) == []
    assert request.WhichOneof("payload") == "heartbeat"
