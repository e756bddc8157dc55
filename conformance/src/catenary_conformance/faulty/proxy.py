"""A gRPC proxy in front of any server: passes calls on byte for byte, but for what the active fault changes.

Each kind of call is one stream each way on the wire, so the proxy treats all of them alike and needs no descriptor to
pass one on: methods of other contracts, such as health checks and older aliases, pass as well. Threads instead of
asyncio, since an asyncio client loses the status of a stream that the server ends while the client still writes.
"""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import grpc

from catenary_conformance.faulty.exchange import Answer, Exchange, Fields, Memory, Metadata, Status
from catenary_conformance.faulty.messages import UNKNOWN_METHOD, methods

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import TracebackType

    from catenary_conformance.faulty.mutant import Mutant

_CODES: dict[int, grpc.StatusCode] = {code.value[0]: code for code in grpc.StatusCode}
_WITHOUT_DEADLINE = 1e8  # seconds; what the library reports for a call without one is beyond it
_NEWS_SECONDS = 0.05  # by which the news of a loss may come behind the end of the messages
_OPTIONS = [
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
    ("grpc.max_metadata_size", 1 << 16),
    ("grpc.absolute_max_metadata_size", 1 << 17),
    ("grpc.so_reuseport", 0),
    ("grpc.use_local_subchannel_pool", 1),
]
_OF_THE_CONNECTION = ("user-agent", "te", "content-type")  # each side sends its own


@dataclass(frozen=True)
class Active:
    """A fault and what it has seen since it was activated."""

    mutant: Mutant
    memory: Memory


class Proxy(grpc.GenericRpcHandler):  # type: ignore[type-arg] # takes no arguments when it runs
    """Listens at `address` in front of `upstream`, within a `with` block.

    Args:
        upstream: `host:port` or `unix:PATH` of a server.
        credentials: how to connect to it; plain when None.
        listen: where to listen; a free port of the loopback interface by default.
        heard: called with the path of each call as it comes in.
    """

    def __init__(
        self,
        upstream: str,
        *,
        credentials: grpc.ChannelCredentials | None = None,
        listen: str = "127.0.0.1:0",
        heard: Callable[[str], None] = lambda _: None,
    ) -> None:
        # As bytes: the stubs of the library know no calls without serializers.
        self._channel: Fields = (
            grpc.secure_channel(upstream, credentials, _OPTIONS)
            if credentials
            else grpc.insecure_channel(upstream, _OPTIONS)
        )
        self._heard = heard
        self._active: Active | None = None
        # A call takes a thread while it lasts; the bound is above the streams that a server may be asked to hold.
        self._server = grpc.server(ThreadPoolExecutor(2048, "proxy"), options=_OPTIONS)
        self._server.add_generic_rpc_handlers((self,))
        port = self._server.add_insecure_port(listen)
        self.address = listen if listen.startswith("unix:") else f"{listen.rsplit(':', 1)[0]}:{port}"

    def __enter__(self) -> Self:
        self._server.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.stop(None).wait()
        self.activate(None)
        self._channel.close()

    def activate(self, mutant: Mutant | None) -> None:
        """Put a fault in place of the one before, with nothing remembered; None passes everything through."""
        former, self._active = self._active, Active(mutant, Memory()) if mutant else None
        if former:
            former.memory.close()

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler[bytes, bytes]:
        """The handler of one method; all calls are streams on the wire."""
        method = handler_call_details.method

        def handle(requests: Iterator[bytes], context: grpc.ServicerContext) -> Iterator[bytes]:
            return self._handle(method, requests, context)

        return grpc.stream_stream_rpc_method_handler(handle)

    def _handle(self, method: str, requests: Iterator[bytes], context: grpc.ServicerContext) -> Iterator[bytes]:
        self._heard(method)
        active = self._active
        remaining = context.time_remaining() or 0.0
        exchange = Exchange(
            method=method,
            requests=requests,
            metadata=_passed_on(context.invocation_metadata()),
            timeout=remaining if remaining < _WITHOUT_DEADLINE else None,
            memory=active.memory if active else Memory(),
            place=self._forward,
        )
        exchange.requests = _received(requests, exchange)
        context.add_callback(exchange.gone.set)
        touched = method if method in methods() else UNKNOWN_METHOD
        if active and touched in active.mutant.methods:
            answer = active.mutant.behaviour(exchange, self._forward)
        else:
            answer = self._forward(exchange)
        cancel: Fields = answer.cancel
        if not context.add_callback(cancel):
            answer.cancel()
        context.send_initial_metadata(answer.metadata())
        yield from answer.messages
        _end(context, answer.status())

    def _forward(self, exchange: Exchange) -> Answer:
        """Make the call of the server."""
        multi = self._channel.stream_stream(exchange.method)
        outgoing = _Outgoing(exchange.requests, exchange.cut)
        call = multi(outgoing, timeout=exchange.timeout, metadata=exchange.metadata)
        outgoing.cancel = call.cancel
        outgoing.ready.set()
        return Answer(
            _incoming(call), lambda: _status_of(call), lambda: _passed_on(call.initial_metadata()), call.cancel
        )


class _Outgoing:
    """The client's messages on their way to the server.

    When the client cuts its call, the call of the server is cancelled before its stream of messages ends: a server
    must not take a lost client for one that has said everything.
    """

    def __init__(self, messages: Iterator[bytes], cut: threading.Event) -> None:
        self._messages = messages
        self._cut = cut
        self.ready = threading.Event()
        self.cancel: Callable[[], object] = bool

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        try:
            return next(self._messages)
        except StopIteration:
            if self._cut.is_set():
                self.ready.wait()
                self.cancel()
            raise


def _received(messages: Iterator[bytes], exchange: Exchange) -> Iterator[bytes]:
    """The client's messages as they come in; tells the end of what it has to say from the loss of the client.

    The library reports a cancelled call as the end of its messages when that news comes first. So an end is only
    believed when no loss follows close behind. Where there is one message only, the client has said all with it.
    """
    try:
        yield from messages
    except grpc.RpcError:
        exchange.cut.set()
        return
    method = methods().get(exchange.method)
    if (method is None or method.client_streaming) and exchange.gone.wait(_NEWS_SECONDS):
        exchange.cut.set()


def _incoming(call: Iterator[bytes]) -> Iterator[bytes]:
    """The server's messages; how the call ended is asked for afterwards."""
    try:
        yield from call
    except grpc.RpcError:
        return


def _status_of(call: grpc.Call) -> Status:
    return Status(call.code().value[0], call.details() or "", _passed_on(call.trailing_metadata()))


def _end(context: grpc.ServicerContext, status: Status) -> None:
    context.set_trailing_metadata(status.trailing)
    context.set_code(_CODES[status.code])
    context.set_details(status.message)


def _passed_on(metadata: Iterator[tuple[str, str | bytes]] | Metadata | None) -> Metadata:
    """What of the metadata belongs to the call, not to the connection; the details of a status do belong to it."""
    return tuple(
        (key, value)
        for key, value in metadata or ()
        if key not in _OF_THE_CONNECTION and (not key.startswith("grpc-") or key == "grpc-status-details-bin")
    )
