"""Messages of trainings: checked and read on arrival, read again from the log, changed where images are left out."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from google.protobuf.message import DecodeError

from catenary.telemetry.v1 import command_pb2, stream_pb2, telemetry_pb2, training_pb2
from catenary_server.domain.failure import Failure, Reason
from catenary_server.domain.telemetry import CommandResult, PayloadClass, TelemetryLimits, TrainingStatus
from catenary_server.domain.telemetry_message import Gap, Incoming, Kind, Message, Refusal, StatusChange
from catenary_server.transport.codec import telemetry_images
from catenary_server.transport.codec.failure import encode_failure
from catenary_server.transport.codec.image_header import image_header
from catenary_server.transport.codec.telemetry_scalars import scalars
from catenary_wire import names

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from catenary_server.transport.codec.image_header import ImageHeader
    from catenary_server.transport.interceptors.rules import FieldRules

_NAME: Final = stream_pb2.StreamTelemetryRequest.DESCRIPTOR.full_name
_IMAGE_FIELD: Final = re.compile(r"batch_data\.images\[(\d+)\]\.(.+)")
_KINDS: Final[Mapping[str | None, Kind]] = {
    "epoch_data": Kind.EPOCH,
    "performance_data": Kind.PERFORMANCE,
    "status_update": Kind.STATUS,
    "heartbeat": Kind.HEARTBEAT,
    "metric_batch": Kind.METRICS,
    "command_result": Kind.RESULT,
    "gap": Kind.GAP,
}


class TelemetryCodec:
    """A `MessageCodec` that also checks what arrives.

    Args:
        rules: field rules of the contract.
        limits: what a writer may send.
    """

    def __init__(self, rules: FieldRules, limits: TelemetryLimits) -> None:
        self._rules = rules
        self._limits = limits

    def arrived(self, raw: bytes) -> Incoming:
        """A message of a stream, checked.

        Raises:
            Failure: MALFORMED_MESSAGE.
        """
        parts = _split(raw)
        request, images = parts
        refusals = (*self._broken_rules(request), *self._broken_limits(request, images))
        whole = next((refusal for refusal in refusals if refusal.image_index is None), None)
        if whole is not None:
            return Incoming(_header(request), b"", (whole,))
        faulty = {refusal.image_index: refusal for refusal in refusals if refusal.image_index is not None}
        sent = {
            image.content_sha256: bytes(data)
            for index, (image, data) in enumerate(zip(request.batch_data.images, images, strict=True))
            if data and index not in faulty and image.HasField("content_sha256")
        }
        return Incoming(
            _message(request),
            self.dropping_images(raw, list(faulty)) if faulty else raw,
            tuple(faulty.values()),
            sent,
            parts.named,
        )

    def read(self, raw: bytes) -> Message:
        """See `MessageCodec.read`."""
        return _message(_split(raw).request)

    def without_images(self, raw: bytes) -> bytes:
        """See `MessageCodec.without_images`."""
        return telemetry_images.without_images(raw)

    def named_images(self, raw: bytes) -> dict[int, bytes]:
        """See `MessageCodec.named_images`."""
        return _split(raw).named

    def with_images(self, raw: bytes, images: Mapping[int, bytes]) -> bytes:
        """See `MessageCodec.with_images`."""
        return telemetry_images.with_images(raw, images)

    def dropping_images(self, raw: bytes, indices: Sequence[int]) -> bytes:
        """See `MessageCodec.dropping_images`."""
        return telemetry_images.dropping_images(raw, indices)

    def refused(self, run_id: str, command_id: str, reason: Reason, text: str) -> bytes:
        """See `MessageCodec.refused`."""
        failure = encode_failure(reason, text)
        refused = command_pb2.CommandRefused(reason=failure.reason, message=failure.message)
        result = command_pb2.CommandResult(command_id=command_id, refused=refused)
        return stream_pb2.StreamTelemetryRequest(session_id=run_id, command_result=result).SerializeToString()

    def applied(self, run_id: str, command_id: str, step: int) -> bytes:
        """See `MessageCodec.applied`."""
        applied = command_pb2.CommandApplied(applied_at_step=step)
        result = command_pb2.CommandResult(command_id=command_id, applied=applied)
        return stream_pb2.StreamTelemetryRequest(session_id=run_id, command_result=result).SerializeToString()

    def _broken_rules(self, request: stream_pb2.StreamTelemetryRequest) -> Iterator[Refusal]:
        """What breaks a field rule; a rule of an image is about that image alone."""
        try:
            self._rules.check(_NAME, request.SerializeToString())
        except Failure as failure:
            for violation in failure.violations:
                image = _IMAGE_FIELD.fullmatch(violation.subject)
                if image is None:
                    yield Refusal(Reason.FIELD_INVALID, failure.message)
                else:
                    text = f"{image[2]} {violation.description}"
                    yield Refusal(Reason.IMAGE_INVALID, text, int(image[1]))

    def _broken_limits(
        self, request: stream_pb2.StreamTelemetryRequest, images: Sequence[telemetry_images.Bytes]
    ) -> Iterator[Refusal]:
        batch, limits = request.batch_data, self._limits
        if len(images) > limits.max_images_per_batch:
            text = f"a batch carries at most {limits.max_images_per_batch} images, this one {len(images)}"
            yield Refusal(Reason.FIELD_INVALID, text)
        labelled = max(len(batch.predictions), len(batch.ground_truth))
        if labelled > limits.max_batch_size:
            text = f"predictions and labels are taken for at most {limits.max_batch_size} samples, these are {labelled}"
            yield Refusal(Reason.FIELD_INVALID, text)
        for index, (image, data) in enumerate(zip(batch.images, images, strict=True)):
            fault = self._image_fault(image, data)
            if fault:
                yield Refusal(Reason.IMAGE_INVALID, fault, index)

    def _image_fault(self, image: telemetry_pb2.ImageData, data: telemetry_images.Bytes) -> str:
        """What is wrong with an image; empty if nothing is."""
        largest = self._limits.max_image_dimension
        if not data:
            return "" if image.HasField("content_sha256") else "send the image, or the hash of one that was sent before"
        header = image_header(data)
        if header is None:
            return "this is no JPEG, PNG or WebP image; encode it as one"
        if (image.format, image.width, image.height) == header and max(header.width, header.height) <= largest:
            return ""
        return self._mismatch(image, header)

    def _mismatch(self, image: telemetry_pb2.ImageData, header: ImageHeader) -> str:
        """Where an image is too large, or not what it is said to be; empty if neither."""
        largest = self._limits.max_image_dimension
        if max(header.width, header.height, image.width, image.height) > largest:
            return f"images have at most {largest} pixels a side, this one {header.width} x {header.height}: scale it"
        if image.format and image.format != header.format:
            return f"this is a {header.format} image, not {image.format}"
        if (image.width or header.width, image.height or header.height) != (header.width, header.height):
            return f"the image has {header.width} x {header.height} pixels, not {image.width} x {image.height}"
        return ""


def _split(raw: bytes) -> telemetry_images.Split:
    try:
        return telemetry_images.split(raw)
    except DecodeError:
        raise _malformed() from None


def _malformed() -> Failure:
    return Failure(Reason.MALFORMED_MESSAGE, f"the bytes are no {_NAME}; generate the client from this contract")


def _header(request: stream_pb2.StreamTelemetryRequest) -> Message:
    """What is needed to answer a message that is not taken."""
    return Message(
        run_id=request.session_id,
        kind=_KINDS.get(request.WhichOneof("payload"), Kind.BATCH),
        sequence=request.sequence if request.HasField("sequence") else None,
        writer_epoch=request.writer_epoch if request.HasField("writer_epoch") else None,
        batch_index=request.batch_data.batch_idx,
    )


def _message(request: stream_pb2.StreamTelemetryRequest) -> Message:
    batch = request.batch_data
    kind = _KINDS.get(request.WhichOneof("payload"), Kind.IMAGE_BATCH if batch.images else Kind.BATCH)
    return Message(
        run_id=request.session_id,
        kind=kind,
        sequence=request.sequence if request.HasField("sequence") else None,
        writer_epoch=request.writer_epoch if request.HasField("writer_epoch") else None,
        time_ms=request.timestamp_ms,
        batch_index=batch.batch_idx,
        global_step=batch.global_step if batch.HasField("global_step") else None,
        scalars=scalars(request),
        status=_status(request.status_update) if kind is Kind.STATUS else None,
        result=_result(request.command_result) if kind is Kind.RESULT else None,
        gap=_gap(request.gap) if kind is Kind.GAP else None,
    )


def _status(update: telemetry_pb2.StatusUpdate) -> StatusChange:
    config = update.config.SerializeToString() if update.HasField("config") else None
    status = TrainingStatus(names.short_name(training_pb2.TrainingStatus, update.status))
    return StatusChange(status, update.message, config)


def _result(result: command_pb2.CommandResult) -> CommandResult:
    return CommandResult(result.command_id, result.SerializeToString())


def _gap(gap: telemetry_pb2.Gap) -> Gap:
    payload_class = PayloadClass(names.short_name(telemetry_pb2.PayloadClass, gap.payload_class))
    return Gap(payload_class, gap.from_sequence, gap.to_sequence, gap.dropped_count)
