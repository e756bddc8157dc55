"""A training that reports to the target, message by message, as a case tells it to."""

from __future__ import annotations

import collections
import hashlib
import struct
import zlib
from typing import TYPE_CHECKING, Any, Self

from catenary.telemetry.v1 import registration_pb2, stream_pb2, telemetry_pb2, training_pb2
from catenary_conformance import rpcs
from catenary_conformance.presuming import presuming
from catenary_conformance.target import DEFAULT

if TYPE_CHECKING:
    from types import TracebackType

    from catenary_conformance.answer import Answer
    from catenary_conformance.conversation import Stream
    from catenary_conformance.rpcs import Token
    from catenary_conformance.target import Target

Request = stream_pb2.StreamTelemetryRequest
Reply = stream_pb2.StreamTelemetryResponse
PATIENCE_SECONDS = 10.0
"""How long a fast target may take for one reply."""
_LEAVING_SECONDS = 20.0
"""How long it may take to end the stream of a writer who has said everything."""

COMPLETED = telemetry_pb2.StatusUpdate(status=training_pb2.TRAINING_STATUS_COMPLETED)
CANCELLED = telemetry_pb2.StatusUpdate(status=training_pb2.TRAINING_STATUS_CANCELLED)
RUNNING = telemetry_pb2.StatusUpdate(status=training_pb2.TRAINING_STATUS_RUNNING)


class Trainer:
    """The writer of a run.

    Use it in a `with` block: it ends the training, so that the run can be removed.

    Attributes:
        registration: what the target answered to the registration.
        sequence: of the message that was sent last.
    """

    def __init__(
        self,
        target: Target,
        registration: registration_pb2.RegisterTrainingSessionResponse,
        *,
        token: Token = DEFAULT,
        timeout: float = 60.0,
    ) -> None:
        self.registration = registration
        self.sequence = registration.resume_from_sequence - 1
        self._target = target
        self._token = token
        self._timeout = timeout
        self._stream: Stream | None = None
        self._durable = 0
        self._waiting: dict[str, collections.deque[Reply]] = collections.defaultdict(collections.deque)

    @classmethod
    def register(cls, target: Target, *, token: Token = DEFAULT, **fields: Any) -> Self:  # noqa: ANN401 - of the message
        """Register a run, of a new id unless `session_id` says otherwise."""
        fields.setdefault("session_id", target.unique("run"))
        request = registration_pb2.RegisterTrainingSessionRequest(**fields)
        return cls(target, rpcs.REGISTER.ok(target, request, token=token), token=token)

    @property
    def run_id(self) -> str:
        """Id of the run."""
        return self.registration.session_id

    @property
    def stream(self) -> Stream:
        """The stream; it begins with the first message."""
        if self._stream is None:
            self._stream = self._target.stream("StreamTelemetry", timeout=self._timeout, token=self._token)
        return self._stream

    def message(self, **payload: Any) -> Request:  # noqa: ANN401 - a payload of the message
        """The next message, with its number."""
        self.sequence += 1
        epoch = self.registration.writer_epoch
        return Request(session_id=self.run_id, sequence=self.sequence, writer_epoch=epoch, **payload)

    def say(self, **payload: Any) -> int:  # noqa: ANN401 - a payload of the message
        """Send the next message; returns its number."""
        self.stream.send(self.message(**payload))
        return self.sequence

    def say_unnumbered(self, **payload: Any) -> None:  # noqa: ANN401 - a payload of the message
        """Send a message as a writer does that gives no numbers, or a heartbeat."""
        self.stream.send(Request(session_id=self.run_id, **payload))

    def heartbeat(self) -> None:
        """Send a sign of life."""
        self.say_unnumbered(heartbeat=telemetry_pb2.Heartbeat())

    def reply(self, kind: str) -> Any:  # noqa: ANN401 - the payload of a reply
        """The next reply of a kind, such as `ack`; those of other kinds wait until they are asked for.

        Raises:
            AssertionError: the stream ended, or nothing came in time.
        """
        while not self._waiting[kind]:
            reply = self.stream.receive(PATIENCE_SECONDS)
            assert reply is not None, f"the stream ended before a reply of kind {kind}: {self.stream.answer}"
            self._waiting[reply.WhichOneof("payload")].append(reply)
            self._durable = max(self._durable, reply.ack.durable_sequence)
        return getattr(self._waiting[kind].popleft(), kind)

    def until_durable(self, sequence: int | None = None) -> None:
        """Wait until everything up to a number, or the last, is acknowledged as durable."""
        wanted = self.sequence if sequence is None else sequence
        while self._durable < wanted:
            self._waiting["ack"].clear()
            self.reply("ack")

    def half_close(self) -> Answer:
        """Say no more; how the stream ended."""
        self.stream.half_close()
        return self.stream.end()

    def finish(self) -> None:
        """End the training well, and the stream with it."""
        self.say(status_update=RUNNING)
        self.say(status_update=COMPLETED)
        with presuming("CAT-TEL-016"):
            self.half_close().expect_ok()
        self._stream = None

    def leave(self) -> None:
        """Cancel the stream, as a training does that dies."""
        if self._stream is not None:
            self._stream.cancel()
            self._stream = None

    def __enter__(self) -> Self:
        """The trainer itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the training, whatever became of it, so that nobody writes to the run."""
        self.leave()
        run_id = self.run_id
        with self._target.stream("StreamTelemetry", token=self._token, timeout=_LEAVING_SECONDS) as stream:
            stream.send(Request(session_id=run_id, status_update=CANCELLED))
            stream.half_close()
            answer = stream.end()
        with presuming("CAT-TEL-016"):
            assert error is not None or not answer.timed_out, "the stream goes on although it was half-closed"


def batch(index: int = 0, *, images: int = 0, **fields: Any) -> telemetry_pb2.BatchData:  # noqa: ANN401 - of the message
    """One batch, with tiles that differ from each other and from those of every other index."""
    fields.setdefault("batch_loss", 1.0 / (1 + index))
    tiles = [image(index * 256 + each) for each in range(images)]
    return telemetry_pb2.BatchData(epoch=1, batch_idx=index, batch_size=max(images, 1), images=tiles, **fields)


def image(number: int = 0, *, side: int = 8) -> telemetry_pb2.ImageData:
    """A PNG image (ISO 15948) of one grey, with a text chunk that makes it differ from others."""
    rows = b"".join(b"\0" + bytes([number % 256]) * side for _ in range(side))
    header = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"tEXt", b"n\0%d" % number), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    encoded = b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, data) for kind, data in chunks)
    return telemetry_pb2.ImageData(
        image_bytes=encoded, format="png", width=side, height=side, content_sha256=hashlib.sha256(encoded).digest()
    )


def samples(*values: float, name: str = "loss", first_step: int = 1) -> dict[str, Any]:
    """A payload with values of one metric, a step apart."""
    steps = enumerate(values, start=first_step)
    return {"metric_batch": {"samples": [{"metric_name": name, "global_step": n, "value": v} for n, v in steps]}}


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
