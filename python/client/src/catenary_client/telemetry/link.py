"""The connection to the server: registers, streams, and comes back when it breaks."""

from __future__ import annotations

import dataclasses
import logging
import threading
import time
import uuid
from typing import TYPE_CHECKING, Final

import grpc

from catenary.telemetry.v1 import registration_pb2, stream_pb2
from catenary_client.connection import check_token
from catenary_client.retry import RetryPolicy
from catenary_client.telemetry.backlog import Terms
from catenary_wire.errors import Failure, failure_of
from catenary_wire.reasons import Retry, reason_name

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeAlias

    from catenary_client.telemetry.control import Control
    from catenary_client.telemetry.outbox import Outbox

    _Request: TypeAlias = registration_pb2.RegisterTrainingSessionRequest

_LOG = logging.getLogger(__name__)
_SERVICE: Final = "catenary.telemetry.v1.TelemetryService"
_PROPOSAL: Final = "telemetry.TelemetryService"
_REGISTER_SECONDS: Final = 5.0
_SILENT_HEARTBEATS: Final = 3
_MOST_PATIENCE: Final = 8
_MESSAGE_BYTES: Final = 64 << 20
_BACK_OFF: Final = RetryPolicy(initial_seconds=0.05, max_seconds=1.0)
"""Most outages are a restart or a blink of the network: the first attempts follow each other at once."""

_CHANNEL_OPTIONS: Final = (
    ("grpc.max_send_message_length", _MESSAGE_BYTES),
    ("grpc.use_local_subchannel_pool", 1),  # a new attempt does not inherit the back-off of an earlier one
    # Pings are rarer than any server minds; what matters is the timeout, which the kernel then applies to what is sent
    # and not confirmed by the other side (TCP_USER_TIMEOUT).
    ("grpc.keepalive_time_ms", 600_000),
    ("grpc.keepalive_timeout_ms", 6_000),
)
_FINAL_REASONS: Final = frozenset({"STREAM_SUPERSEDED"})
_FINAL_AT_REGISTRATION: Final = frozenset({"STALE_EPOCH", "RUN_EXISTS", "IDEMPOTENCY_CONFLICT", "FEATURE_DISABLED"})
_FINAL_CODES_AT_REGISTRATION: Final = frozenset(
    {
        grpc.StatusCode.UNAUTHENTICATED,
        grpc.StatusCode.PERMISSION_DENIED,
        grpc.StatusCode.INVALID_ARGUMENT,
        grpc.StatusCode.UNIMPLEMENTED,
    }
)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Where the server is and how to be let in.

    Attributes:
        target: `host:port`.
        token: sent as a bearer token; empty for none.
        credentials: of a TLS channel; None for one that is not encrypted.
    """

    target: str
    token: str = dataclasses.field(default="", repr=False)
    credentials: grpc.ChannelCredentials | None = None

    def __post_init__(self) -> None:
        """Refuse a token that others could read.

        Raises:
            InsecureTokenError, ValueError: as `check_token`.
        """
        check_token(self.target, self.token, encrypted=self.credentials is not None)

    def open(self) -> grpc.Channel:
        """A channel of its own."""
        if self.credentials is None:
            return grpc.insecure_channel(self.target, options=_CHANNEL_OPTIONS)
        return grpc.secure_channel(self.target, self.credentials, options=_CHANNEL_OPTIONS)

    @property
    def metadata(self) -> tuple[tuple[str, str], ...]:
        """What goes with every call."""
        return (("authorization", f"Bearer {self.token}"),) if self.token else ()


class _Broken(Exception):
    """The stream has to be opened again."""


class Link(threading.Thread):
    """Keeps a run connected until everything is durable at the server, it is stopped, or the server has the last word.

    Attributes:
        attempted: set after the first registration, however it went.
        registered: whether the server knows the run.
        failure: why there is no point in trying again; None while there is.
        rejected: messages and images that the server did not take.

    Args:
        registration: the run; `resume_token` is kept up to date in it.
        on_registered: called with the registration when its token changed, and with one whose answer is awaited.
        unanswered: a registration of an earlier process that was killed before it heard the answer.
    """

    def __init__(  # noqa: PLR0917 - what it stands between
        self,
        address: Address,
        registration: registration_pb2.RegisterTrainingSessionRequest,
        outbox: Outbox,
        control: Control,
        on_registered: Callable[[_Request, _Request | None], None],
        unanswered: _Request | None = None,
    ) -> None:
        super().__init__(name="telemetry-link", daemon=True)
        self.attempted = threading.Event()
        self.registered = False
        self.failure: Failure | None = None
        self.rejected = 0
        self._address = address
        self._registration = registration
        self._outbox = outbox
        self._control = control
        self._on_registered = on_registered
        self._unanswered = unanswered
        self._service = _SERVICE
        self._stopping = threading.Event()
        self._ended = threading.Event()
        self._cancel: Callable[[], object] | None = None
        self._registering = False
        self._patience = 1
        self._heartbeat_seconds = 2.0
        self._attempt = 0
        self._told = ""

    def run(self) -> None:
        """Connect, and connect again."""
        try:
            while not (self._stopping.is_set() or self._outbox.finished):
                failure = self._connect()
                self.attempted.set()
                if failure is None:
                    continue
                if self._is_final(failure):
                    self.failure = failure
                    _LOG.error("telemetry of run %s ends: %s", self._registration.session_id, failure.message)
                    return
                self._wait_after(failure)
        finally:
            self.attempted.set()
            self._ended.set()

    def wait(self, seconds: float) -> bool:
        """Wait until there is nothing more to do; whether that is so."""
        return self._ended.wait(seconds)

    def stop(self) -> None:
        """End the stream and try no more."""
        self._stopping.set()
        self._outbox.end()
        if self._cancel is not None:
            self._cancel()

    def check(self) -> None:
        """Break the stream if the server is silent about what it got for three heartbeats."""
        limit = _SILENT_HEARTBEATS * self._heartbeat_seconds * self._patience
        cancel = self._cancel
        if cancel is not None and self._outbox.silent_seconds() > limit:
            # On a slow line the same would happen again: be more patient each time.
            self._patience = min(self._patience * 2, _MOST_PATIENCE)
            _LOG.warning("the server has said nothing for %.0f s", limit)
            cancel()

    def _wait_after(self, failure: Failure) -> None:
        """Wait before the next attempt; what is wrong is told once, not with every attempt."""
        self._attempt += 1
        delay = _BACK_OFF.delay(min(self._attempt, 16), failure.retry_after)
        level = logging.DEBUG if failure.reason == self._told else logging.WARNING
        self._told = failure.reason
        _LOG.log(level, "telemetry is not connected (%s), next attempt in %.2f s", failure.message, delay)
        self._stopping.wait(delay)

    def _connect(self) -> Failure | None:
        """Register and stream until the end; why it broke, or None when the stream ended in good order."""
        channel = self._address.open()
        try:
            self._registering = True
            terms = self._register(channel)
            self._registering = False
            self._heartbeat_seconds = terms.heartbeat_seconds
            return self._stream(channel, terms)
        except grpc.RpcError as error:
            return failure_of(error)
        finally:
            channel.close()

    def _register(self, channel: grpc.Channel) -> Terms:
        self._hear_answer(channel)
        if not self._registration.request_id:
            self._registration.request_id = uuid.uuid4().hex
            # Whoever goes on after a kill has to know the token that the server may have given by then.
            self._on_registered(self._registration, self._registration)
        try:
            response = self._call_register(channel, self._registration)
        except grpc.RpcError as error:
            if error.code() is not grpc.StatusCode.UNIMPLEMENTED or self._service == _PROPOSAL:
                raise
            self._service = _PROPOSAL
            response = self._call_register(channel, self._registration)
            _LOG.info("the server speaks the telemetry proposal: batches are acknowledged, sequences are not")
        self._registration.request_id = ""
        self._registration.resume_token = response.resume_token
        self.registered = True
        self._on_registered(self._registration, None)
        return _terms(response)

    def _hear_answer(self, channel: grpc.Channel) -> None:
        """Ask again what an earlier process asked and was killed before it heard; the same question changes nothing."""
        if self._unanswered is None:
            return
        try:
            self._registration.resume_token = self._call_register(channel, self._unanswered).resume_token
        except grpc.RpcError as error:
            failure = failure_of(error)
            if failure.reason not in _FINAL_AT_REGISTRATION and failure.code not in _FINAL_CODES_AT_REGISTRATION:
                raise
        self._unanswered = None

    def _call_register(
        self, channel: grpc.Channel, request: _Request
    ) -> registration_pb2.RegisterTrainingSessionResponse:
        call = channel.unary_unary(
            f"/{self._service}/RegisterTrainingSession",
            request_serializer=registration_pb2.RegisterTrainingSessionRequest.SerializeToString,
            response_deserializer=registration_pb2.RegisterTrainingSessionResponse.FromString,
        )
        response: registration_pb2.RegisterTrainingSessionResponse = call(
            request, timeout=_REGISTER_SECONDS, metadata=self._address.metadata
        )
        return response

    def _stream(self, channel: grpc.Channel, terms: Terms) -> Failure | None:
        stream = object()
        self._outbox.begin(stream, terms)
        self.attempted.set()  # from here on nothing is encoded that this server does not take
        open_stream = channel.stream_stream(
            f"/{self._service}/StreamTelemetry",
            request_serializer=None,
            response_deserializer=stream_pb2.StreamTelemetryResponse.FromString,
        )
        call = open_stream(iter(lambda: self._outbox.next_message(stream), None), metadata=self._address.metadata)
        cancel: Callable[[], object] = call.cancel
        self._cancel = cancel
        try:
            for response in call:
                self._hear(response, terms)
        except _Broken as broken:
            return _broken(str(broken))
        finally:
            self._cancel = None
            cancel()
            self._outbox.end()
        return self._end_in_order(terms)

    def _end_in_order(self, terms: Terms) -> Failure | None:
        """The server ended the stream with OK: after everything was sent, all of it is safe."""
        if not terms.numbered:
            self._outbox.acknowledge_all()
        return None if self._outbox.finished else _broken("the server ended the stream")

    def _hear(self, response: stream_pb2.StreamTelemetryResponse, terms: Terms) -> None:
        match response.WhichOneof("payload"):
            case "ack":
                self._acknowledged(response.ack, terms)
            case "command":
                self._control.offer(response.command, _seconds_left(response))
            case "rejection":
                self._rejected(response.rejection)
            case "credit":
                self._outbox.grant(response.credit.image_messages, response.credit.message_bytes)
            case "error":
                self._refused(response.error)
            case _:
                pass  # a newer server may say more

    def _acknowledged(self, ack: stream_pb2.Acknowledgment, terms: Terms) -> None:
        self._attempt, self._told = 0, ""
        if terms.numbered:
            self._outbox.acknowledge(ack.received_sequence, ack.durable_sequence)
            return
        if not ack.success:
            self.rejected += 1
            _LOG.warning("the server did not take batch %d", ack.batch_idx)
        self._outbox.acknowledge_batch(ack.batch_idx)

    def _rejected(self, rejection: stream_pb2.Rejection) -> None:
        self.rejected += 1
        self._outbox.forget_tiles()
        reason = reason_name(rejection.reason)
        _LOG.warning("the server did not take message %d (%s): %s", rejection.sequence, reason, rejection.message)

    def _refused(self, error: stream_pb2.ErrorResponse) -> None:
        """A fault in the words of the telemetry proposal."""
        if error.code != stream_pb2.ErrorResponse.ERROR_CODE_INVALID_DATA:
            raise _Broken(error.message or "the server cannot take more now")
        self.rejected += 1
        _LOG.warning("the server did not take a message: %s", error.message)
        self._outbox.refuse_batch()

    def _is_final(self, failure: Failure) -> bool:
        if failure.reason in _FINAL_REASONS:
            return True
        if not self._registering:
            return False
        return failure.reason in _FINAL_AT_REGISTRATION or (
            failure.code in _FINAL_CODES_AT_REGISTRATION and not self.registered
        )


def _terms(response: registration_pb2.RegisterTrainingSessionResponse) -> Terms:
    config, usual = response.server_config, Terms()
    return Terms(
        writer_epoch=response.writer_epoch,
        resume_from=max(response.resume_from_sequence, 1),
        heartbeat_seconds=config.heartbeat_interval_ms / 1000 or usual.heartbeat_seconds,
        most_messages=config.buffer_size or usual.most_messages,
        most_message_bytes=config.max_message_bytes or usual.most_message_bytes,
        most_images=config.max_images_per_batch or usual.most_images,
        most_pixels=config.max_image_dimension or usual.most_pixels,
    )


def _seconds_left(response: stream_pb2.StreamTelemetryResponse) -> float:
    """Until a command expires; by the server's clock alone, since ours may differ."""
    command = response.command
    if not command.HasField("expire_time"):
        return float("inf")
    return command.expire_time.ToMilliseconds() / 1000 - (response.timestamp_ms / 1000 or time.time())


def _broken(message: str) -> Failure:
    return Failure(
        reason="CONNECTION_FAILED", code=grpc.StatusCode.UNAVAILABLE, message=message, retry=Retry.SAME_REQUEST_ID
    )
