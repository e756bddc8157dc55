"""Builds the messages of the stream from what the training loop left.

A message with images is assembled from its parts on the wire instead of as an object: its images then are copied once,
when they are sent, and not three times.
"""

from __future__ import annotations

import dataclasses
import functools
import itertools
import math
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias, cast

import numpy as np
from google.protobuf.timestamp_pb2 import Timestamp

from catenary.telemetry.v1 import metric_pb2, stream_pb2, telemetry_pb2
from catenary_client.telemetry.image_header import read_header
from catenary_client.telemetry.predictions import prediction_messages
from catenary_client.telemetry.records import Event, Kind, Scalars
from catenary_client.telemetry.tiles import encode, own_copy

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from catenary_client.telemetry.image_header import ImageHeader
    from catenary_client.telemetry.records import Batch
    from catenary_client.telemetry.tiles import SeenTiles

_BATCH_DATA_TAG: Final = b"\x1a"  # field 3 of StreamTelemetryRequest, length-delimited
_IMAGES_TAG: Final = b"\x22"  # field 4 of BatchData, length-delimited
_IMAGE_BYTES_TAG: Final = b"\x0a"  # field 1 of ImageData, length-delimited
_RAW: Final = "raw"
LARGEST_METRIC_BATCH: Final = 4096
"""Samples in one message at most, half of what the contract allows."""
_MOST_LABELS: Final = 64

_Framed: TypeAlias = tuple[bytes, bytes, bytes]
"""An image on the wire, in pieces: its frame, its bytes, its other fields."""


@dataclasses.dataclass(slots=True)
class Outgoing:
    """A message without its sequence.

    Attributes:
        parts: the serialised message in pieces, to be sent one after the other.
        image_count: images in it, also those of which only the hash is sent.
        count: for a gap, the messages that were dropped.
        batch_index: for a batch, its index, by which servers without sequences acknowledge it.
        in_full: the same message with every image, if some are only named; for a server that lost its memory.
    """

    kind: Kind
    parts: Sequence[bytes]
    image_count: int = 0
    count: int = 0
    batch_index: int = -1
    in_full: Sequence[bytes] = ()

    @property
    def size(self) -> int:
        """Bytes of the message."""
        return sum(map(len, self.parts))


class MessageBuilder:
    """Builds the messages of one run.

    Args:
        session_id: the run.
        class_names: names of the classes, in the order of their indices.
        top_k: classes listed for each prediction.
        pixels: longest side of an image that is encoded here.
        quality: JPEG quality of such an image.
    """

    def __init__(
        self, session_id: str, *, class_names: Sequence[str] = (), top_k: int = 3, pixels: int = 256, quality: int = 85
    ) -> None:
        self._prefix = stream_pb2.StreamTelemetryRequest(session_id=session_id).SerializeToString()
        self.class_names = tuple(class_names)
        self._top_k = top_k
        self.pixels = pixels
        self._quality = quality

    def event(self, event: Event) -> Outgoing:
        """A message that was built when it was logged."""
        return Outgoing(event.kind, (self._prefix, event.body))

    def metrics(self, scalars: Iterable[Scalars]) -> Outgoing:
        """The values of several steps in one message."""
        batch = metric_pb2.MetricBatch()
        samples, time_ms = batch.samples, 0
        for step, time_ms, values in scalars:
            log_time = Timestamp(seconds=time_ms // 1000, nanos=time_ms % 1000 * 1_000_000)
            for name, value in values.items():
                samples.add(metric_name=name, global_step=step, value=value, log_time=log_time)
        request = stream_pb2.StreamTelemetryRequest(timestamp_ms=time_ms, metric_batch=batch)
        return Outgoing(Kind.METRICS, (self._prefix, request.SerializeToString()))

    def gap(self, sequence: int, count: int, time_ms: int) -> Outgoing:
        """What stands in the place of batches that were dropped: the first number is the message's own."""
        gap = telemetry_pb2.Gap(
            payload_class=telemetry_pb2.PAYLOAD_CLASS_IMAGE_BATCH,
            from_sequence=sequence,
            to_sequence=sequence + count - 1,
            dropped_count=count,
        )
        request = stream_pb2.StreamTelemetryRequest(timestamp_ms=time_ms, gap=gap)
        return Outgoing(Kind.GAP, (self._prefix, request.SerializeToString()), count=count)

    def batch(self, batch: Batch, seen: SeenTiles | None, *, most_images: int) -> Outgoing:
        """A batch with its encoded images.

        Args:
            batch: with images that are encoded, or without any.
            seen: recognises images that were sent before; None sends each in full.
            most_images: images that the server takes.
        """
        tiles = cast("tuple[bytes, ...]", batch.tiles[:most_images])
        images = [_image(data, f"{batch.epoch}/{batch.index}/{place}", seen) for place, data in enumerate(tiles)]
        head = self._head(batch).SerializeToString()
        message = self._assembled(batch, head, [image.sent for image in images])
        if any(image.sent is not image.whole for image in images):
            message.in_full = self._assembled(batch, head, [image.whole for image in images]).parts
        return message

    def raw_batch(self, batch: Batch) -> Outgoing:
        """A batch whose images wait in the spill to be encoded; `revived` undoes it."""
        images = []
        for place, tile in enumerate(cast("tuple[NDArray[np.generic], ...]", batch.tiles)):
            layout = f"{_RAW} {tile.dtype.str} {','.join(map(str, tile.shape))}"
            image = telemetry_pb2.ImageData(format=layout, image_id=f"{batch.epoch}/{batch.index}/{place}")
            images.append(_framed_image(image.SerializeToString(), tile.tobytes()))
        outgoing = self._assembled(batch, self._head(batch).SerializeToString(), images)
        outgoing.kind = Kind.RAW_IMAGES
        return outgoing

    def revived(self, payload: bytes) -> Outgoing:
        """A batch from the spill, its images encoded now."""
        request = stream_pb2.StreamTelemetryRequest.FromString(payload)
        images = list(request.batch_data.images)
        del request.batch_data.images[:]
        for image in images:
            _, dtype, shape = image.format.split()
            array = np.frombuffer(image.image_bytes, dtype).reshape([int(side) for side in shape.split(",")])
            data = self.encode(array)
            encoded = request.batch_data.images.add(image_id=image.image_id, image_bytes=data)
            encoded.MergeFromString(_described(read_header(data)))
        return Outgoing(
            Kind.IMAGES,
            (request.SerializeToString(),),
            image_count=len(images),
            batch_index=request.batch_data.batch_idx,
        )

    def without_images(self, payload: bytes) -> Outgoing:
        """A batch from the spill that loses its images."""
        request = stream_pb2.StreamTelemetryRequest.FromString(payload)
        del request.batch_data.images[:]
        return Outgoing(Kind.BATCH, (request.SerializeToString(),), batch_index=request.batch_data.batch_idx)

    def encode(self, array: NDArray[np.generic]) -> bytes:
        """Encode one image as this run does."""
        return encode(array, pixels=self.pixels, quality=self._quality)

    def _assembled(self, batch: Batch, head: bytes, images: list[_Framed]) -> Outgoing:
        pieces = list(itertools.chain.from_iterable(images))
        length = sum(map(len, pieces)) + len(head)
        stamp = stream_pb2.StreamTelemetryRequest(timestamp_ms=batch.time_ms).SerializeToString()
        # Images first: a server that looks for them by their lengths need not look at what stands in front.
        parts = [self._prefix, stamp, _BATCH_DATA_TAG + _varint(length), *pieces, head]
        kind = Kind.IMAGES if images else Kind.BATCH
        return Outgoing(kind, parts, image_count=len(images), batch_index=batch.index)

    def _head(self, batch: Batch) -> telemetry_pb2.BatchData:
        truth = batch.ground_truth
        labels = [] if truth is None else [int(label) for label in own_copy(truth)[:_MOST_LABELS].tolist()]
        return telemetry_pb2.BatchData(
            epoch=batch.epoch,
            batch_idx=batch.index,
            batch_size=batch.size,
            predictions=prediction_messages(batch.predictions, top_k=self._top_k, class_names=self.class_names),
            ground_truth=labels,
            batch_loss=_float32(batch.loss),
            batch_accuracy=_float32(batch.accuracy),
            timestamp_ms=batch.time_ms,
            global_step=batch.step,
        )


class _Image(NamedTuple):
    """One image in pieces: as it is sent, and with its bytes in any case."""

    sent: _Framed
    whole: _Framed


def _image(data: bytes, name: str, seen: SeenTiles | None) -> _Image:
    """One image. One that cannot be read is sent as it is: the server says what it thinks of it."""
    digest, enough = (None, False) if seen is None else seen.identity(data)
    identity = telemetry_pb2.ImageData(image_id=name, content_sha256=digest)
    fields = _described(read_header(data)) + identity.SerializeToString()
    whole = _framed_image(fields, data)
    return _Image(_framed_image(fields, b"") if enough else whole, whole)


@functools.lru_cache(maxsize=64)
def _described(header: ImageHeader | None) -> bytes:
    """What an encoded image says about itself, as fields of ImageData; the images of a training are much alike."""
    if header is None:
        return b""
    encoding, width, height, channels = header
    return telemetry_pb2.ImageData(format=encoding, width=width, height=height, channels=channels).SerializeToString()


def _framed_image(fields: bytes, data: bytes) -> _Framed:
    """The frame of an image with this content, its bytes, its other fields."""
    frame = _IMAGE_BYTES_TAG + _varint(len(data)) if data else b""
    length = len(frame) + len(data) + len(fields)
    return _IMAGES_TAG + _varint(length) + frame, data, fields


def _varint(value: int) -> bytes:
    """Base-128 varint, as the protobuf encoding defines it."""
    encoded = bytearray()
    while value >> 7:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)


def _float32(value: float) -> float:
    """A value that a float field takes: beyond its range it is infinite, as IEEE 754 rounds it."""
    largest = 3.4028235e38
    return value if not math.isfinite(value) or abs(value) <= largest else math.copysign(math.inf, value)
