"""The proxy without a fault, in front of a server of the test's own that says what it hears."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, TypeAlias

import grpc
import pytest

from catenary_conformance.faulty.exchange import refusal
from catenary_conformance.faulty.proxy import Proxy

if TYPE_CHECKING:
    from collections.abc import Iterator

SECONDS = 10.0
Channel: TypeAlias = Any  # the stubs of the library know no calls without serializers


class Upstream(grpc.GenericRpcHandler):  # type: ignore[type-arg] # takes no arguments when it runs
    """Answers by the name of the method."""

    def __init__(self) -> None:
        self.cancelled = threading.Event()
        self.half_closed = threading.Event()
        self.metadata: dict[str, Any] = {}
        self.remaining: float | None = None

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler[bytes, bytes] | None:
        kinds: dict[str, Any] = {
            "/echo": grpc.unary_unary_rpc_method_handler(self.echo),
            "/count": grpc.unary_stream_rpc_method_handler(self.count),
            "/join": grpc.stream_unary_rpc_method_handler(self.join),
            "/talk": grpc.stream_stream_rpc_method_handler(self.talk),
            "/refuse": grpc.unary_unary_rpc_method_handler(self.refuse),
            "/wait": grpc.stream_stream_rpc_method_handler(self.wait),
        }
        return kinds.get(handler_call_details.method)

    def echo(self, request: bytes, context: grpc.ServicerContext) -> bytes:
        self.metadata = dict(context.invocation_metadata())
        self.remaining = context.time_remaining()
        context.send_initial_metadata((("first", "1"),))
        context.set_trailing_metadata((("last-bin", b"\x00\x01"),))
        return request

    def count(self, request: bytes, context: grpc.ServicerContext) -> Iterator[bytes]:
        for number in range(int(request)):
            yield str(number).encode()
        context.set_code(grpc.StatusCode.DATA_LOSS)
        context.set_details("no more")

    def join(self, requests: Iterator[bytes], _: grpc.ServicerContext) -> bytes:
        return b"".join(requests)

    def talk(self, requests: Iterator[bytes], _: grpc.ServicerContext) -> Iterator[bytes]:
        for request in requests:
            yield b"you said " + request
        yield b"bye"

    def refuse(self, _: bytes, context: grpc.ServicerContext) -> bytes:
        status = refusal(5, "RUN_NOT_FOUND", "there is none")
        context.set_trailing_metadata(status.trailing)
        context.abort(grpc.StatusCode.NOT_FOUND, "there is none")
        raise AssertionError

    def wait(self, requests: Iterator[bytes], context: grpc.ServicerContext) -> Iterator[bytes]:
        context.add_callback(self.cancelled.set)
        yield b"begun"
        try:
            for _ in requests:
                pass
        except grpc.RpcError:  # how the library says that the client is gone
            return
        # The library reports a cancelled call as the end of its messages when that news comes first.
        if not self.cancelled.wait(0.5):
            self.half_closed.set()


@pytest.fixture(scope="module")
def upstream() -> Upstream:
    return Upstream()


@pytest.fixture(scope="module")
def direct(upstream: Upstream) -> Iterator[str]:
    server = grpc.server(ThreadPoolExecutor(8))
    server.add_generic_rpc_handlers((upstream,))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield f"127.0.0.1:{port}"
    server.stop(None).wait()


@pytest.fixture(scope="module")
def heard() -> list[str]:
    return []


@pytest.fixture(scope="module")
def through(direct: str, heard: list[str]) -> Iterator[str]:
    with Proxy(direct, heard=heard.append) as proxy:
        yield proxy.address


@pytest.fixture(params=["direct", "through"])
def channel(request: pytest.FixtureRequest) -> Iterator[Channel]:
    """A connection to the server, and one to the proxy: every test holds for both."""
    with grpc.insecure_channel(request.getfixturevalue(request.param)) as connected:
        yield connected


def test_a_unary_call_passes_with_metadata_and_deadline(channel: Channel, upstream: Upstream) -> None:
    metadata = (("name", "value"), ("name-bin", b"\xff\x00"))
    answer, call = channel.unary_unary("/echo").with_call(b"\x00bytes", timeout=SECONDS, metadata=metadata)
    assert answer == b"\x00bytes"
    assert ("first", "1") in call.initial_metadata()
    assert ("last-bin", b"\x00\x01") in call.trailing_metadata()
    assert upstream.metadata["name"] == "value"
    assert upstream.metadata["name-bin"] == b"\xff\x00"
    assert upstream.remaining is not None
    assert 0 < upstream.remaining <= SECONDS


def test_a_stream_of_answers_passes_with_how_it_ends(channel: Channel) -> None:
    call = channel.unary_stream("/count")(b"3", timeout=SECONDS)
    assert [next(call) for _ in range(3)] == [b"0", b"1", b"2"]
    with pytest.raises(grpc.RpcError):
        next(call)
    assert (call.code(), call.details()) == (grpc.StatusCode.DATA_LOSS, "no more")


def test_a_stream_of_requests_passes(channel: Channel) -> None:
    assert channel.stream_unary("/join")(iter([b"a", b"b", b"c"]), timeout=SECONDS) == b"abc"


def test_a_conversation_passes_message_by_message_to_its_end(channel: Channel) -> None:
    go_on = threading.Event()

    def requests() -> Iterator[bytes]:
        yield b"one"
        go_on.wait(SECONDS)
        yield b"two"

    call = channel.stream_stream("/talk")(requests(), timeout=SECONDS)
    assert next(call) == b"you said one"
    go_on.set()
    assert list(call) == [b"you said two", b"bye"]


def test_a_refusal_passes_with_its_details(channel: Channel) -> None:
    with pytest.raises(grpc.RpcError) as refused:
        channel.unary_unary("/refuse")(b"", timeout=SECONDS)
    call: Any = refused.value
    assert call.code() is grpc.StatusCode.NOT_FOUND
    details = dict(call.trailing_metadata())["grpc-status-details-bin"]
    assert b"RUN_NOT_FOUND" in details


def test_a_client_that_cuts_its_call_is_not_taken_for_one_that_has_said_everything(
    channel: Channel, upstream: Upstream
) -> None:
    upstream.cancelled.clear()
    upstream.half_closed.clear()
    silence = threading.Event()

    def requests() -> Iterator[bytes]:
        silence.wait(SECONDS)
        yield from ()

    call = channel.stream_stream("/wait")(requests(), timeout=SECONDS)
    assert next(call) == b"begun"
    call.cancel()
    assert upstream.cancelled.wait(SECONDS)
    assert not upstream.half_closed.is_set()
    silence.set()


def test_a_client_that_half_closes_is_heard_to(channel: Channel, upstream: Upstream) -> None:
    upstream.cancelled.clear()
    upstream.half_closed.clear()
    assert list(channel.stream_stream("/wait")(iter([b"x"]), timeout=SECONDS)) == [b"begun"]
    assert upstream.half_closed.wait(SECONDS)


def test_a_method_that_there_is_not_is_unimplemented(channel: Channel) -> None:
    with pytest.raises(grpc.RpcError) as refused:
        channel.unary_unary("/nothing")(b"", timeout=SECONDS)
    call: Any = refused.value
    assert call.code() is grpc.StatusCode.UNIMPLEMENTED


def test_a_large_message_passes(through: str) -> None:
    connected: Channel
    with grpc.insecure_channel(through, [("grpc.max_receive_message_length", -1)]) as connected:
        size = 3 << 20
        assert connected.unary_unary("/echo")(bytes(size), timeout=SECONDS) == bytes(size)


def test_the_proxy_says_what_it_hears(through: str, heard: list[str]) -> None:
    heard.clear()
    connected: Channel
    with grpc.insecure_channel(through) as connected:
        connected.unary_unary("/echo")(b"", timeout=SECONDS)
    assert heard == ["/echo"]


def test_without_a_server_behind_it_the_proxy_says_so() -> None:
    connected: Channel
    with (
        Proxy("127.0.0.1:1") as proxy,
        grpc.insecure_channel(proxy.address) as connected,
        pytest.raises(grpc.RpcError) as refused,
    ):
        connected.unary_unary("/echo")(b"", timeout=SECONDS)
    call: Any = refused.value
    assert call.code() is grpc.StatusCode.UNAVAILABLE
