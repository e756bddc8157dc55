"""Images inside the messages of trainings: taken out, named, put in, left out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from catenary.telemetry.v1 import stream_pb2

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def take_images(request: stream_pb2.StreamTelemetryRequest) -> list[bytes]:
    """Move the bytes of the images out of a message, in order; empty where none were."""
    found = []
    for image in request.batch_data.images:
        found.append(image.image_bytes)
        image.ClearField("image_bytes")
    return found


def named_images(request: stream_pb2.StreamTelemetryRequest, taken: Sequence[bytes]) -> dict[int, bytes]:
    """Hashes of the images that a message names without sending them, by their index.

    Args:
        request: the message.
        taken: what `take_images` took out of it.
    """
    images = enumerate(zip(request.batch_data.images, taken, strict=True))
    return {index: image.content_sha256 for index, (image, data) in images if not data and image.content_sha256}


def without_images(raw: bytes) -> bytes:
    """The encoded message without the bytes of its images."""
    request = stream_pb2.StreamTelemetryRequest.FromString(raw)
    for image in request.batch_data.images:
        image.ClearField("image_bytes")
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
