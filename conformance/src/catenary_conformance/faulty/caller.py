"""Calls by method name, for witnesses: what was heard is kept in the few words that matter."""

from __future__ import annotations

import queue
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

import grpc

from catenary_conformance.faulty.exchange import Fields, Metadata, Status
from catenary_conformance.faulty.messages import path, request_class, response_class

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType

    from google.protobuf.message import Message

PATIENCE = 30.0  # seconds that a call of a witness may take
_OPTIONS = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]


@dataclass(frozen=True)
class Heard:
    """What came back on a call: every message, and how it ended."""

    messages: list[Fields]
    status: Status

    @property
    def answer(self) -> Fields:
        """The one message of a unary call.

        Raises:
            AssertionError: if the call was refused.
        """
        if not self.messages:
            raise AssertionError(f"refused: {self.outcome} {self.status.message}")
        return self.messages[0]

    @property
    def outcome(self) -> str:
        """`OK`, or the code with the reason: `NOT_FOUND/SESSION_NOT_FOUND`."""
        name = next(code.name for code in grpc.StatusCode if code.value[0] == self.status.code)
        return f"{name}/{self.status.reason}" if self.status.reason else name


class Caller:
    """A client of one address with one token."""

    def __init__(self, address: str, token: str = "") -> None:
        # As bytes: the stubs of the library know no calls without serializers.
        self._channel: Fields = grpc.insecure_channel(address, _OPTIONS)
        self._metadata: Metadata = (("authorization", f"Bearer {token}"),) if token else ()

    def close(self) -> None:
        """Close the connection."""
        self._channel.close()

    def __call__(self, method: str, *requests: Message, timeout: Fields = PATIENCE, **fields: object) -> Heard:
        """Call a method by its name with one request made of the fields, or with those given; hear it to its end."""
        with self.open(method, timeout=timeout) as talk:
            for request in requests or [request_class(path(method))(**fields)]:
                talk.send(request)
            talk.half_close()
            return talk.rest()

    def raw(self, method: str, content: bytes, *, metadata: Metadata | None = None, timeout: float = PATIENCE) -> Heard:
        """Call with these bytes, and perhaps other metadata."""
        with self.open(method, timeout=timeout, metadata=metadata) as talk:
            talk.send(content)
            talk.half_close()
            return talk.rest()

    def unknown(self, full: str) -> Heard:
        """Call a path that is none of the contract, with no bytes."""
        call = self._channel.unary_unary(full)
        try:
            call(b"", timeout=PATIENCE, metadata=self._metadata)
        except grpc.RpcError as error:
            return Heard([], Status(error.code().value[0]))
        return Heard([], Status())

    def open(self, method: str, *, timeout: float = PATIENCE, metadata: Metadata | None = None) -> Talk:
        """Begin a call; it is cancelled at the end of the `with` block if it has not ended."""
        full = path(method)
        requests: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        call = self._channel.stream_stream(full)(
            iter(requests.get, None), timeout=timeout, metadata=self._metadata if metadata is None else metadata
        )
        return Talk(full, call, requests)


@dataclass
class Talk:
    """A call under way."""

    method: str
    call: Fields
    requests: queue.SimpleQueue[bytes | None]
    heard: list[Fields] = field(default_factory=list)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.call.cancel()
        self.requests.put(None)

    def send(self, *requests: Message | bytes, **fields: object) -> None:
        """Send messages: those given, or one made of the fields."""
        for request in requests or [request_class(self.method)(**fields)]:
            self.requests.put(request if isinstance(request, bytes) else request.SerializeToString())

    def half_close(self) -> None:
        """Send no more."""
        self.requests.put(None)

    def cut(self) -> None:
        """Cancel the call."""
        self.call.cancel()

    def receive(self) -> Fields:
        """The next message; None when the call has ended."""
        try:
            content = next(self.call)
        except (StopIteration, grpc.RpcError):
            return None
        self.heard.append(response_class(self.method).FromString(content))
        return self.heard[-1]

    def rest(self) -> Heard:
        """Everything to the end of the call, what was received before included."""
        while self.receive() is not None:
            pass
        trailing = tuple((key, value) for key, value in self.call.trailing_metadata() or ())
        return Heard(self.heard, Status(self.call.code().value[0], self.call.details() or "", trailing))

    def __iter__(self) -> Iterator[Fields]:
        return iter(self.receive, None)
