"""Images inside the messages of trainings: taken out, named, put in, left out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from catenary.telemetry.v1 import stream_pb2

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from catenary.telemetry.v1 import telemetry_pb2

    Bytes = bytes | memoryview

_VARINT: Final = 0
_TEXT: Final = 2
_BATCH_DATA: Final = 3 << 3 | _TEXT
"""Tag of `batch_data` in StreamTelemetryRequest."""
_IMAGES: Final = 4 << 3 | _TEXT
"""Tag of `images` in BatchData."""
_IMAGE_BYTES: Final = 1 << 3 | _TEXT
"""Tag of `image_bytes` in ImageData."""
_CONTINUES: Final = 0x80


class Split(NamedTuple):
    """A message without its image bytes, and those bytes in order; empty where none were."""

    request: stream_pb2.StreamTelemetryRequest
    images: Sequence[Bytes]

    @property
    def named(self) -> dict[int, bytes]:
        """Hashes of the images that the message names without sending them, by their index."""
        images = enumerate(zip(self.request.batch_data.images, self.images, strict=True))
        return {index: image.content_sha256 for index, (image, data) in images if not data and image.content_sha256}


class _Elsewhere(Exception):
    """The images do not stand where they usually do."""


def split(raw: bytes) -> Split:
    """Take the images out of an encoded message.

    They are views of it if they stand where they usually do: in the batch behind nothing but numbers, in front of the
    other fields of the image. Else they are copies.

    Raises:
        DecodeError: the bytes are no such message.
    """
    try:
        return _split_by_lengths(raw)
    except (_Elsewhere, IndexError):
        request = stream_pb2.StreamTelemetryRequest.FromString(raw)
        images = [image.image_bytes for image in request.batch_data.images]
        _empty(request)
        return Split(request, images)


def without_images(raw: bytes) -> bytes:
    """The encoded message without the bytes of its images."""
    request = stream_pb2.StreamTelemetryRequest.FromString(raw)
    _empty(request)
    return request.SerializeToString()


def with_images(raw: bytes, images: Mapping[int, bytes]) -> bytes:
    """The encoded message with these bytes in the images of these indices."""
    request = stream_pb2.StreamTelemetryRequest.FromString(raw)
    for index, data in images.items():
        request.batch_data.images[index].image_bytes = data
    return request.SerializeToString()


def dropping_images(raw: bytes, indices: Sequence[int]) -> bytes:
    """The encoded message with nothing in the images of these indices; the others keep their places."""
    request = stream_pb2.StreamTelemetryRequest.FromString(raw)
    for index in indices:
        request.batch_data.images[index].Clear()
    return request.SerializeToString()


def _empty(request: stream_pb2.StreamTelemetryRequest) -> None:
    for image in request.batch_data.images:
        image.ClearField("image_bytes")


def _split_by_lengths(raw: bytes) -> Split:
    """Find the images by the lengths in front of them; protobuf reads what stands between, piece by piece."""
    data = memoryview(raw)
    start = _find(raw, 0, _BATCH_DATA)
    content, end = _extent(raw, start + 1, len(raw))
    place = _find(raw, content, _IMAGES)
    request = stream_pb2.StreamTelemetryRequest.FromString(raw[:start])
    batch = request.batch_data
    batch.MergeFromString(raw[content:place])
    images: list[Bytes] = []
    while place < end and raw[place] == _IMAGES:
        first, place = _extent(raw, place + 1, end)
        images.append(_take(raw, data, batch.images.add(), first, place))
    batch.MergeFromString(raw[place:end])
    request.MergeFromString(raw[end:])
    if len(images) != len(request.batch_data.images):
        raise _Elsewhere
    return Split(request, images)


def _take(raw: bytes, data: memoryview, image: telemetry_pb2.ImageData, start: int, end: int) -> Bytes:
    """Read an image between two offsets, but for its bytes, which come back."""
    found: Bytes = b""
    if start < end and raw[start] == _IMAGE_BYTES:
        first, start = _extent(raw, start + 1, end)
        found = data[first:start]
    image.MergeFromString(raw[start:end])
    if image.image_bytes:
        raise _Elsewhere
    return found


def _find(raw: bytes, place: int, wanted: int) -> int:
    """Where the first field with a tag begins, behind numbers and short texts."""
    while (tag := raw[place]) != wanted:
        place += 1
        if tag & (_CONTINUES | 7) == _VARINT:
            while raw[place] >= _CONTINUES:
                place += 1
            place += 1
        elif tag & (_CONTINUES | 7) == _TEXT and raw[place] < _CONTINUES:
            place += 1 + raw[place]
        else:
            raise _Elsewhere
    return place


def _extent(raw: bytes, place: int, most: int) -> tuple[int, int]:
    """Where the content begins whose length stands here, and where it ends: no later than `most`."""
    length = 0
    for shift in (0, 7, 14, 21, 28):
        byte = raw[place]
        place += 1
        length |= (byte & 0x7F) << shift
        if byte < _CONTINUES:
            break
    else:
        raise _Elsewhere
    if place + length > most:
        raise _Elsewhere
    return place, place + length
