"""One call as it passes through the proxy: what comes in, what goes back, and how a fault gets in between.

A behaviour is a function of the exchange and of what would forward it; it returns the answer. Behaviours that only
touch one side leave the other as it is, so that a call that a fault does not concern passes byte for byte.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import Any, TypeAlias

from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.message import DecodeError, Message
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo
from google.rpc.status_pb2 import Status as RichStatus

from catenary_conformance.faulty.messages import request_class, response_class

Metadata: TypeAlias = tuple[tuple[str, str | bytes], ...]
Fields: TypeAlias = Any  # a message whose fields are known by their names only

DETAILS_KEY = "grpc-status-details-bin"
DOMAIN = "catenary"
OK, CANCELLED, INVALID_ARGUMENT, DEADLINE_EXCEEDED, NOT_FOUND, ALREADY_EXISTS = 0, 1, 3, 4, 5, 6
PERMISSION_DENIED, RESOURCE_EXHAUSTED, FAILED_PRECONDITION, ABORTED, OUT_OF_RANGE = 7, 8, 9, 10, 11
UNIMPLEMENTED, INTERNAL, UNAVAILABLE, DATA_LOSS, UNAUTHENTICATED, UNKNOWN = 12, 13, 14, 15, 16, 2


@dataclass(frozen=True)
class Status:
    """How a call ended: the code, words for people, and trailing metadata with the typed details among them."""

    code: int = OK
    message: str = ""
    trailing: Metadata = ()

    @property
    def rich(self) -> RichStatus:
        """The typed status; empty when none came."""
        return RichStatus.FromString(_bytes(dict(self.trailing).get(DETAILS_KEY, b"")))

    @property
    def reason(self) -> str:
        """Reason of the error; empty when none is given."""
        info = ErrorInfo()
        for detail in self.rich.details:
            if detail.Unpack(info):
                return str(info.reason)
        return ""

    @property
    def fields(self) -> list[str]:
        """Paths of the fields at fault, as BadRequest names them."""
        broken = BadRequest()
        return [
            violation.field
            for detail in self.rich.details
            if detail.Unpack(broken)
            for violation in broken.field_violations
        ]

    def with_rich(self, rich: RichStatus) -> Status:
        """The same status with other details."""
        rest = tuple(entry for entry in self.trailing if entry[0] != DETAILS_KEY)
        return replace(self, trailing=(*rest, (DETAILS_KEY, rich.SerializeToString())))


def refusal(code: int, reason: str, message: str = "refused", *, field_path: str = "") -> Status:
    """A status as the contract asks for it: ErrorInfo, and the field at fault where one is named."""
    rich = RichStatus(code=code, message=message)
    if field_path:
        violation = BadRequest.FieldViolation(field=field_path, description=message)
        _add(rich, BadRequest(field_violations=[violation]))
    if reason:
        _add(rich, ErrorInfo(reason=reason, domain=DOMAIN))
    return Status(code, message).with_rich(rich)


@dataclass
class Answer:
    """What goes back to the client: metadata, messages, and then a status."""

    messages: Iterator[bytes]
    status: Callable[[], Status] = Status  # asked for once the messages have ended
    metadata: Callable[[], Metadata] = tuple  # may wait until the server has sent them
    cancel: Callable[[], object] = bool


def answered(*messages: Message) -> Answer:
    """These messages, and OK."""
    return Answer(iter([message.SerializeToString() for message in messages]))


def refused(status: Status) -> Answer:
    """No message, and this status."""
    return Answer(iter(()), lambda: status)


@dataclass
class Exchange:
    """A call that came in."""

    method: str
    requests: Iterator[bytes]
    metadata: Metadata
    timeout: float | None
    memory: Memory
    place: Forward  # forwards any call, of another method too
    gone: threading.Event = field(default_factory=threading.Event)  # set when the call is over for the client
    cut: threading.Event = field(default_factory=threading.Event)  # set when the client's messages broke off
    _first: bytes | None = None

    def first(self) -> Fields:
        """The first message of the client, which stays to be forwarded: ask for it before the call is forwarded.

        An empty one when it sends none or nonsense.
        """
        if self._first is None:
            self._first = next(self.requests, None)
            if self._first is not None:
                self.requests = chain([self._first], self.requests)
        return self.decoded(self._first or b"")

    def decoded(self, content: bytes) -> Fields:
        """A request, parsed; an empty one when the bytes are none."""
        return parsed(request_class(self.method), content)

    def response(self, content: bytes = b"") -> Fields:
        """A response, parsed; empty bytes make an empty one."""
        return parsed(response_class(self.method), content)

    def call(self, method: str, *requests: Message, metadata: Metadata | None = None) -> tuple[list[Fields], Status]:
        """Make another call of the server with the caller's credentials; all its messages, and how it ended."""
        contents = iter([request.SerializeToString() for request in requests])
        other = replace(
            self,
            method=method,
            requests=contents,
            timeout=30.0,
            metadata=self.metadata if metadata is None else metadata,
        )
        other._first = None  # noqa: SLF001 - it is of the same class
        answer = self.place(other)
        messages = [other.response(content) for content in answer.messages]
        return messages, answer.status()


Forward: TypeAlias = Callable[[Exchange], Answer]
Behaviour: TypeAlias = Callable[[Exchange, Forward], Answer]


class Memory:
    """What a fault remembers from call to call, while it is active."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self._values: dict[object, Any] = {}
        self._timers: list[threading.Timer] = []

    def take(self, key: object, default: Fields) -> Fields:
        """What is kept under the key; the default is kept when nothing was."""
        with self.lock:
            return self._values.setdefault(key, default)

    def get(self, key: object) -> Fields:
        """What is kept under the key; None when nothing is."""
        with self.lock:
            return self._values.get(key)

    def put(self, key: object, value: object) -> None:
        """Keep a value."""
        with self.lock:
            self._values[key] = value

    def count(self, key: object) -> int:
        """How often this key was counted, this time included."""
        with self.lock:
            self._values[key] = self._values.get(key, 0) + 1
            return int(self._values[key])

    def later(self, seconds: float, step: Callable[[], object]) -> None:
        """Do something after a while, unless the fault is no longer active then."""
        timer = threading.Timer(seconds, step)
        timer.daemon = True
        self._timers.append(timer)
        timer.start()

    def close(self) -> None:
        """Nothing that was put off is done any more."""
        for timer in self._timers:
            timer.cancel()
        for timer in self._timers:
            timer.join()


def parsed(message_class: type[Message], content: bytes) -> Fields:
    """A message of the class; an empty one when the bytes are none."""
    try:
        return message_class.FromString(content)
    except DecodeError:
        return message_class()


def ended(answer: Answer) -> tuple[Sequence[bytes], Status]:
    """All messages of an answer, and its status: for calls whose answer is short."""
    messages = list(answer.messages)
    return messages, answer.status()


def _add(rich: RichStatus, detail: Message) -> None:
    packed = AnyMessage()
    packed.Pack(detail)
    rich.details.append(packed)


def _bytes(value: str | bytes) -> bytes:
    return value if isinstance(value, bytes) else value.encode()
