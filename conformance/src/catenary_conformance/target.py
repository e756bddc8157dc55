"""The server under test: how to reach it, and calls that are recorded."""

from __future__ import annotations

import contextlib
import dataclasses
import secrets
import threading
import time
from typing import TYPE_CHECKING

import grpc

from catenary_conformance.answer import Answer, answered, refused
from catenary_conformance.conversation import Stream, decoded
from catenary_conformance.recording import Recorder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from google.protobuf.message import Message

    from catenary_conformance.contract import Contract, Method

CALL_SECONDS = 10.0
"""Deadline of a call that does little."""
WORK_SECONDS = 60.0
"""Deadline of a call that loads a pipeline, trains or infers."""

NO_MESSAGE = b"\x0a\x7f"
"""Bytes that are a message of no RPC: a length beyond the end."""

Metadata = tuple[tuple[str, str | bytes], ...]


class TargetUnreachable(Exception):
    """Nobody answers at the address."""


class Default:
    """Stands for the token that the run was given."""


DEFAULT = Default()


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How to reach the target, and how patient to be with it."""

    address: str
    """`host:port`, or what else gRPC takes."""
    tls_ca: Path | None = None
    """Authority in PEM that vouches for the target; the system's, with `tls`."""
    tls: bool = False
    tls_server_name: str = ""
    tls_cert: Path | None = None
    tls_key: Path | None = None
    token: str = ""
    second_token: str = ""
    """Of another principal, for what needs two tenants."""
    low_token: str = ""
    """With the scope `discovery.read` alone."""
    service_alias: str = ""
    """Full name of a service that has the RPCs of all services of `catenary.v1` under its own name."""
    near: str = ""
    """`unix:PATH` of the same server, for what only callers on its machine are offered."""
    time_factor: float = 1.0
    nonce: str = dataclasses.field(default_factory=lambda: secrets.token_hex(6))
    """What everything that the run makes on the target is named with."""


class Target:
    """The server under test.

    A deadline that is given is the one for a fast target: it is multiplied by the time factor, and the measured
    round-trip time is added.

    Attributes:
        contract: what the target is held against.
        settings: how it is reached.
        recorder: what was sent and received.
        round_trip: seconds that the fastest of a few calls took; 0 until `connect`.
        observers: called with the RPC and its request and response after each that succeeded, for the janitor.
    """

    def __init__(self, settings: Settings, contract: Contract, recorder: Recorder | None = None) -> None:
        self.contract = contract
        self.settings = settings
        self.recorder = Recorder() if recorder is None else recorder
        self.round_trip = 0.0
        self.observers: list[Callable[[Method, Message | None, Message, str], None]] = []
        self._lock = threading.Lock()
        self._channel: grpc.Channel | None = None
        self._count = 0
        self._of_alias: frozenset[str] = frozenset()

    def connect(self) -> None:
        """Wait until the target can be reached, and measure how far away it is.

        Raises:
            TargetUnreachable: it cannot, within ten seconds.
        """
        try:
            grpc.channel_ready_future(self.channel()).result(timeout=self.seconds(10.0))
        except grpc.FutureTimeoutError:
            raise TargetUnreachable(f"nobody answers at {self.settings.address}") from None
        times = []
        for _ in range(3):
            began = time.monotonic()
            if self.quiet_call("GetServerInfo").code is grpc.StatusCode.UNAVAILABLE:
                raise TargetUnreachable(f"{self.settings.address} is there and does not answer")
            times.append(time.monotonic() - began)
        self.round_trip = min(times)

    def close(self) -> None:
        """Close the connection."""
        with self._lock:
            channel, self._channel = self._channel, None
        if channel is not None:
            channel.close()

    def channel(self) -> grpc.Channel:
        """The connection that all calls share; made on first use."""
        with self._lock:
            if self._channel is None:
                self._channel = self._connected()
            return self._channel

    @contextlib.contextmanager
    def own_channel(self) -> Iterator[grpc.Channel]:
        """A connection of one's own, for what may break it."""
        channel = self._connected()
        try:
            yield channel
        finally:
            channel.close()

    def seconds(self, fast: float) -> float:
        """How long to wait for this target where a fast one gets `fast` seconds."""
        return fast * self.settings.time_factor + 4 * self.round_trip

    def unique(self, stem: str = "x") -> str:
        """A name that nothing else has, in this run or another: `conformance-<nonce>-<stem>-<n>`.

        It fits where the contract asks for `[A-Za-z0-9][A-Za-z0-9._-]*` in at most 64 characters, as long as the stem
        has at most 24 of these.
        """
        with self._lock:
            self._count += 1
            return f"conformance-{self.settings.nonce}-{stem}-{self._count}"

    def begin_example(self) -> None:
        """Tell that a case that tries many examples starts another; only the last one's calls are kept."""
        self.recorder.begin_example()

    def call(
        self,
        path: str,
        request: Message | bytes = b"",
        *,
        timeout: float = CALL_SECONDS,
        token: str | Default | None = DEFAULT,
        metadata: Metadata = (),
    ) -> Answer:
        """Call an RPC that takes one message and answers with one.

        Args:
            path: the RPC, by path or by a name that `Contract.method` takes.
            request: a message of the RPC, or bytes that need not be one.
            timeout: deadline in seconds, before the time factor.
            token: another token than the run's own; None or "" sends none.
            metadata: further metadata.

        Returns:
            How it ended; a refusal is no exception.
        """
        method = self._known(path)
        if method is not None and not (method.client_streaming or method.server_streaming):
            return self._unary(method, request, timeout, token, metadata)
        with self.stream(path, timeout=timeout, token=token, metadata=metadata) as stream:
            stream.send(request)
            stream.half_close()
            return stream.end()

    def stream(
        self,
        path: str,
        *,
        timeout: float = WORK_SECONDS,
        token: str | Default | None = DEFAULT,
        metadata: Metadata = (),
        channel: grpc.Channel | None = None,
    ) -> Stream:
        """Open a call of any RPC, message by message; see `Stream`. Use it in a `with` block, which ends the call.

        On the wire every RPC is a stream of requests and one of responses; so this serves all four kinds, and can
        send what a kind does not admit.
        """
        method = self._known(path)
        full_path = path if method is None else method.path
        deadline = self.seconds(timeout)
        sent = self._metadata(token, metadata)
        used = self._token(token)

        def observe(request: Message | None, response: Message) -> None:
            if method is not None:
                self._observe(method, request, response, used)

        return Stream(
            channel=self.channel() if channel is None else channel,
            wire_path=self.wire_path(full_path),
            method=method,
            record=self.recorder.begin_call(full_path, deadline, sent),
            recorder=self.recorder,
            timeout=deadline,
            seconds=self.seconds,
            metadata=sent,
            observe=observe,
        )

    def wire_path(self, path: str) -> str:
        """The path as it is sent: that of the alias, for what the alias has."""
        return self._aliased(path) if path in self._of_alias else path

    def learn_alias(self) -> frozenset[str]:
        """Find out which RPCs the alias has, by calling each with bytes that are no message; returns their paths.

        The others are called by their own names, so that what an older service lacks can still prepare a case.
        """
        if self.settings.service_alias:
            paths = [path for path in self.contract.methods if path.startswith("/catenary.v1.")]
            self._of_alias = frozenset(path for path in paths if self._answers_alias(path))
        return self._of_alias

    def _aliased(self, path: str) -> str:
        return f"/{self.settings.service_alias}/{path.rpartition('/')[2]}"

    def _answers_alias(self, path: str) -> bool:
        call = self.channel().unary_unary(self._aliased(path), None, None)
        try:
            call(NO_MESSAGE, timeout=self.seconds(CALL_SECONDS), metadata=self._metadata(DEFAULT, ()))
        except grpc.RpcError as error:
            return error.code() is not grpc.StatusCode.UNIMPLEMENTED
        return True

    def _unary(
        self, method: Method, request: Message | bytes, timeout: float, token: str | Default | None, metadata: Metadata
    ) -> Answer:
        """What `call` does for most RPCs, without the threads of a stream."""
        data = request if isinstance(request, bytes) else request.SerializeToString()
        deadline, sent = self.seconds(timeout), self._metadata(token, metadata)
        record = self.recorder.begin_call(method.path, deadline, sent)
        record.note("sent", data)
        record.note("half_close")
        try:
            raw = self.channel().unary_unary(self.wire_path(method.path), None, None)(
                data, timeout=deadline, metadata=sent
            )
        except grpc.RpcError as error:
            answer = refused(method.path, error.code(), error.details() or "", error.trailing_metadata())
        else:
            record.note("received", raw)
            answer = answered(method.path, decoded(method, raw))
        self.recorder.end_call(record, answer, caused=False)
        if answer.ok:
            self._observe(method, None if isinstance(request, bytes) else request, answer.response, self._token(token))
        return answer

    def _observe(self, method: Method, request: Message | None, response: Message, token: str) -> None:
        for observer in self.observers:
            observer(method, request, response, token)

    def _known(self, name: str) -> Method | None:
        """The RPC of a path or name; None for a path that the contract does not have.

        Raises:
            KeyError: a name that is no path, and no RPC's.
        """
        if name.startswith("/"):
            return self.contract.methods.get(name)
        return self.contract.method(name)

    def _token(self, token: str | Default | None) -> str:
        return self.settings.token if isinstance(token, Default) else token or ""

    def _metadata(self, token: str | Default | None, metadata: Metadata) -> Metadata:
        bearer = self._token(token)
        return (*metadata, ("authorization", f"Bearer {bearer}")) if bearer else metadata

    def quiet_call(
        self,
        path: str,
        request: Message | bytes = b"",
        *,
        token: str | Default | None = DEFAULT,
        timeout: float = CALL_SECONDS,
    ) -> Answer:
        """Call a unary RPC without recording it: for what is no part of a case, such as tidying up."""
        method = self.contract.method(path)
        data = request if isinstance(request, bytes) else request.SerializeToString()
        call = self.channel().unary_unary(self.wire_path(method.path), None, None)
        try:
            raw = call(data, timeout=self.seconds(timeout), metadata=self._metadata(token, ()))
        except grpc.RpcError as error:
            return refused(method.path, error.code(), error.details() or "", error.trailing_metadata())
        return answered(method.path, decoded(method, raw))

    def _connected(self) -> grpc.Channel:
        settings = self.settings
        options: list[tuple[str, int | str]] = [
            ("grpc.max_receive_message_length", -1),
            ("grpc.max_send_message_length", -1),
            ("grpc.use_local_subchannel_pool", 1),
            ("grpc.enable_retries", 0),
        ]
        if settings.tls_server_name:
            options.append(("grpc.ssl_target_name_override", settings.tls_server_name))
        if not (settings.tls or settings.tls_ca):
            return grpc.insecure_channel(settings.address, options)
        credentials = grpc.ssl_channel_credentials(
            _content(settings.tls_ca),
            private_key=_content(settings.tls_key),
            certificate_chain=_content(settings.tls_cert),
        )
        return grpc.secure_channel(settings.address, credentials, options)


def _content(file: Path | None) -> bytes | None:
    return None if file is None else file.read_bytes()
