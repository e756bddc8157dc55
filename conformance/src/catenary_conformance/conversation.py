"""A call, message by message, driven from one thread without asyncio.

Responses are read one at a time and only when they are asked for, so that a case decides how slow a reader it is.
Synchronous calls are used because an asynchronous client that still writes when the server ends the call loses the
status.
"""

from __future__ import annotations

import contextlib
import queue
import threading
from typing import TYPE_CHECKING, Any, Self

import grpc
from google.protobuf.message import DecodeError

from catenary_conformance.answer import Answer, WrongAnswer, answered, refused

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import TracebackType

    from google.protobuf.message import Message

    from catenary_conformance.contract import Method
    from catenary_conformance.recording import CallRecord, Recorder


class NotAnswered(WrongAnswer):
    """Nothing came in the time that a case gives."""


class _End:
    """No more requests, or no more responses."""


_END = _End()
_OURS = frozenset({grpc.StatusCode.CANCELLED, grpc.StatusCode.UNAVAILABLE})
"""Codes that a call gets when the suite itself ends it."""
_GRACE_SECONDS = 5.0
"""How much longer than its deadline a call may take until it counts as hanging, in the client itself."""


class Stream:
    """One call.

    Attributes:
        received: every response so far, in order.
    """

    def __init__(
        self,
        *,
        channel: grpc.Channel,
        wire_path: str,
        method: Method | None,
        record: CallRecord,
        recorder: Recorder,
        timeout: float,
        seconds: Callable[[float], float],
        metadata: tuple[tuple[str, str | bytes], ...],
        observe: Callable[[Message | None, Message], None],
    ) -> None:
        self.received: list[Any] = []
        self._channel, self._wire_path, self._metadata = channel, wire_path, metadata
        self._method, self._record, self._recorder = method, record, recorder
        self._timeout, self._seconds = timeout, seconds
        self._observe = observe
        self._requests: queue.SimpleQueue[bytes | _End] = queue.SimpleQueue()
        self._responses: queue.SimpleQueue[bytes | _End] = queue.SimpleQueue()
        self._wanted = threading.Semaphore(0)
        self._outstanding = False
        self._first: Message | None = None
        self._call: Any = None
        self._answer: Answer | None = None
        self._caused = False
        self._closed = False

    def send(self, message: Message | bytes) -> None:
        """Send a message, or bytes that need not be one."""
        data = message if isinstance(message, bytes) else message.SerializeToString()
        if self._first is None and not isinstance(message, bytes):
            self._first = message
        self._record.note("sent", data)
        self._requests.put(data)
        self._start()

    def half_close(self) -> None:
        """Say that no more is sent."""
        if not self._closed:
            self._closed = True
            self._record.note("half_close")
            self._requests.put(_END)
        self._start()

    def receive(self, timeout: float | None = None) -> Any:  # noqa: ANN401 - a response of the RPC
        """The next response; None when the call has ended.

        Args:
            timeout: seconds to wait, as a fast target would need them; None waits until the call's deadline.

        Raises:
            NotAnswered: nothing came in that time. The call goes on.
        """
        self._start()
        if self._answer is not None:
            return None
        if not self._outstanding:
            self._outstanding = True
            self._wanted.release()
        try:
            data = self._responses.get(
                timeout=self._timeout + _GRACE_SECONDS if timeout is None else self._seconds(timeout)
            )
        except queue.Empty:
            raise NotAnswered(f"{self._record.path} sent nothing within {timeout} seconds") from None
        self._outstanding = False
        if isinstance(data, _End):
            return None
        return self._decoded(data)

    def __iter__(self) -> Iterator[Any]:
        """The responses, until the call ends."""
        while (response := self.receive()) is not None:
            yield response

    def end(self) -> Answer:
        """How the call ended, after reading what else comes. Of an RPC with one response, the answer holds it.

        Raises:
            NotAnswered: the call did not end by its deadline.
        """
        for _ in self:
            pass
        if self._answer is None:
            raise NotAnswered(f"{self._record.path} did not end by its deadline")
        if self._answer.ok and self._single and not self.received:
            raise WrongAnswer(f"{self._record.path} ended with OK and no response")
        return self._answer

    def cancel(self) -> None:
        """Cancel the call."""
        if self._answer is None and self._call is not None:
            self._caused = True
            self._record.note("cancel")
            self._call.cancel()

    def drop(self) -> None:
        """Cut the connection; for a stream that was opened on a channel of its own."""
        if self._answer is None:
            self._caused = True
            self._record.note("drop")
        self._channel.close()

    @property
    def answer(self) -> Answer | None:
        """How the call ended, as far as it is known; None while it lasts."""
        return self._answer

    def __enter__(self) -> Self:
        """The stream itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the call, if it lasts."""
        if self._call is not None and self._answer is None:
            self.cancel()
            with contextlib.suppress(NotAnswered):
                self.end()

    def _start(self) -> None:
        """Begin the call with the first thing that is asked of it."""
        if self._call is not None:
            return
        multi = self._channel.stream_stream(self._wire_path, None, None)
        self._call = multi(iter(self._next_request, None), timeout=self._timeout, metadata=self._metadata)
        threading.Thread(target=self._read, name=f"reads {self._record.path}", daemon=True).start()

    def _next_request(self) -> bytes | None:
        """What is to be sent next; called in a thread of the library."""
        item = self._requests.get()
        return None if isinstance(item, _End) else item

    def _read(self) -> None:
        """Read one response for each that is wanted, until the call ends."""
        if not self._call.add_callback(lambda: self._requests.put(_END)):
            self._requests.put(_END)
        try:
            while True:
                self._wanted.acquire()
                data = next(self._call)
                self._record.note("received", data)
                self._responses.put(data)
        except StopIteration:
            self._finish(self._success())
        except grpc.RpcError as error:
            text, trailers = self._call.details() or "", self._call.trailing_metadata()
            del error  # it is the call itself, which would otherwise keep this frame alive
            self._finish(refused(self._record.path, self._call.code(), text, trailers))

    @property
    def _single(self) -> bool:
        return self._method is not None and not self._method.server_streaming

    def _success(self) -> Answer:
        return answered(self._record.path, self.received[-1] if self._single and self.received else None)

    def _finish(self, answer: Answer) -> None:
        self._recorder.end_call(self._record, answer, caused=self._caused and answer.code in _OURS)
        self._answer = answer
        self._responses.put(_END)

    def _decoded(self, data: bytes) -> Any:  # noqa: ANN401 - a response of the RPC
        if self._method is None:
            self.received.append(data)
            return data
        response = decoded(self._method, data)
        self.received.append(response)
        self._observe(self._first, response)
        return response


def decoded(method: Method, data: bytes) -> Message:
    """A response of an RPC.

    Raises:
        WrongAnswer: the bytes are none.
    """
    try:
        return method.response.FromString(data)
    except DecodeError:
        raise WrongAnswer(f"{method.path} answered with bytes that are no {method.response.__name__}") from None
