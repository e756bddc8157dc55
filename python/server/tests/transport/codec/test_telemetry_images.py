from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from catenary.telemetry.v1 import stream_pb2, telemetry_pb2
from catenary_server.transport.codec.telemetry_images import replace_images, split
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


@settings(deadline=None)
@given(requests)
def test_a_message_splits_into_its_images_and_the_rest(request: stream_pb2.StreamTelemetryRequest) -> None:
    found = split(request.SerializeToString())
    assert [bytes(image) for image in found.images] == [image.image_bytes for image in request.batch_data.images]
    for image in request.batch_data.images:
        image.image_bytes = b""
    assert Request.FromString(found.rest) == request


@settings(deadline=None)
@given(requests, st.sets(st.integers(0, 3)))
def test_images_are_exchanged_or_removed_in_their_places(
    request: stream_pb2.StreamTelemetryRequest, removed: set[int]
) -> None:
    changed = replace_images(
        request.SerializeToString(), lambda i, image: None if i in removed else bytes(image) + b"!"
    )
    for index, image in enumerate(request.batch_data.images):
        if index in removed:
            image.Clear()
        else:
            image.image_bytes += b"!"
    assert Request.FromString(changed) == request


@settings(deadline=None)
@given(st.binary(max_size=60))
def test_bytes_are_read_as_the_plain_scanner_reads_them(raw: bytes) -> None:
    try:
        expected = plainly(raw)
    except ValueError:
        with pytest.raises(ValueError, match=r"."):
            split(raw)
    else:
        assert [bytes(image) for image in split(raw).images] == expected


def plainly(raw: bytes) -> list[bytes]:
    """The images of a message, by the scanner that reads every form."""
    return [
        ([b""] + [bytes(part) for part in contents(image, 1)])[-1]
        for data in contents(memoryview(raw), 3)
        for image in contents(data, 4)
    ]


def contents(data: memoryview, number: int) -> list[memoryview]:
    found = [each for each in fields.scan(data) if (each.number, each.wire_type) == (number, fields.LENGTH_DELIMITED)]
    return [data[each.content : each.end] for each in found]


@settings(deadline=None)
@given(requests, st.data())
def test_a_message_that_is_cut_short_never_reads_beyond_its_end(
    request: stream_pb2.StreamTelemetryRequest, data: st.DataObject
) -> None:
    raw = request.SerializeToString()
    cut = raw[: data.draw(st.integers(0, len(raw)))]
    try:
        found = split(cut)
    except ValueError:
        return
    assert len(found.rest) <= len(cut)


@pytest.mark.parametrize("size", [127, 128, 16_383, 16_384, (1 << 21) - 1, 1 << 21, 3_000_000])
def test_images_of_any_size_are_found(size: int) -> None:
    both = [telemetry_pb2.ImageData(image_bytes=bytes(size), width=7), telemetry_pb2.ImageData(image_bytes=b"x")]
    request = Request(batch_data=telemetry_pb2.BatchData(images=both))
    found = split(request.SerializeToString())
    assert [len(image) for image in found.images] == [size, 1]
    assert [image.width for image in Request.FromString(found.rest).batch_data.images] == [7, 0]


def test_the_last_image_bytes_count_as_in_protobuf() -> None:
    image = telemetry_pb2.ImageData(image_bytes=b"one").SerializeToString()
    image += telemetry_pb2.ImageData(image_bytes=b"two").SerializeToString()
    batch = fields.header(4, len(image)) + image
    raw = fields.header(3, len(batch)) + batch
    assert Request.FromString(raw).batch_data.images[0].image_bytes == b"two"
    assert [bytes(each) for each in split(raw).images] == [b"two"]
