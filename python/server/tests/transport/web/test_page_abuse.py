"""Pages that do not keep to the protocol are sent away, and take nothing with them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from message_source import NAME, MessageSource
from served_web import serving_web
from web_client import DEADLINE, PageClient
from websockets.exceptions import InvalidStatus
from websockets.frames import Frame, Opcode

from catenary.dashboard.v1 import frame_pb2
from catenary_server.transport.web import page as page_module
from catenary_server.transport.web.connections import CONTROL_FRAMES_AT_ONCE
from catenary_server.transport.web.page import FRAMES_PER_SECOND
from catenary_server.transport.web.server import MOST_FRAME_BYTES, WebSettings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from catenary_server.transport.front_end import FrontEnd

PROTOCOL_ERROR, UNSUPPORTED, POLICY, TOO_BIG = 1002, 1003, 1008, 1009


@pytest.fixture
def source() -> MessageSource:
    return MessageSource()


@pytest.fixture
async def url(front: FrontEnd, source: MessageSource) -> AsyncIterator[str]:
    async with serving_web(source.behind(front)) as url:
        yield url


async def code_after(url: str, *messages: Any, hello: bool = True) -> int:
    """Code with which the server closes when a page says this."""
    async with PageClient.open(url, hello=hello) as page:
        for each in messages:
            if isinstance(each, frame_pb2.ClientFrame):
                await page.socket.send(each.SerializeToString())
            else:
                await page.socket.send(each)
        return (await page.closed())[0]


def client_frame(call_id: int = 0, **frame: Any) -> frame_pb2.ClientFrame:
    return frame_pb2.ClientFrame(call_id=call_id, **frame)


async def test_a_frame_above_the_limit_is_too_big_and_one_at_the_limit_is_not(url: str, source: MessageSource) -> None:
    assert await code_after(url, bytes(MOST_FRAME_BYTES + 1)) == TOO_BIG
    assert await code_after(url, [bytes(40_000), bytes(40_000)]) == TOO_BIG
    assert await code_after(url, bytes(MOST_FRAME_BYTES + 1), hello=False) == TOO_BIG
    async with PageClient.open(url) as page:
        largest = client_frame(1, open=frame_pb2.Open(method_path="x", request=bytes(MOST_FRAME_BYTES - 14)))
        assert MOST_FRAME_BYTES - 4 < largest.ByteSize() <= MOST_FRAME_BYTES
        await page.socket.send(largest.SerializeToString())
        assert (await page.ended()).code
    assert source.made == 0


async def test_text_is_not_a_frame(url: str) -> None:
    assert await code_after(url, "hello") == UNSUPPORTED
    assert await code_after(url, "hello", hello=False) == UNSUPPORTED
    assert await code_after(url, ["hel", "lo"]) == UNSUPPORTED


async def test_text_that_is_no_text_is_not_decoded(url: str, caplog: pytest.LogCaptureFixture) -> None:
    async with PageClient.open(url) as page:
        page.socket.transport.write(Frame(Opcode.TEXT, b"\xff\xfe").serialize(mask=True))
        assert (await page.closed())[0] == UNSUPPORTED
    assert not caplog.records


async def test_what_breaks_the_order_of_frames_is_sent_away(url: str) -> None:
    opening = frame_pb2.Open(method_path="x")
    hello, credit = frame_pb2.Hello(), frame_pb2.Credit(messages=1)
    assert await code_after(url, client_frame(1, open=opening), hello=False) == POLICY
    assert await code_after(url, client_frame(1, credit=credit), hello=False) == POLICY
    assert await code_after(url, client_frame(hello=hello)) == POLICY
    assert await code_after(url, client_frame(0, open=opening)) == POLICY
    assert await code_after(url, client_frame(2, open=opening), client_frame(2, open=opening)) == POLICY
    assert await code_after(url, client_frame(2, open=opening), client_frame(1, open=opening)) == POLICY
    assert await code_after(url, client_frame(1)) == POLICY
    assert await code_after(url, b"\xff\xff\xff") == POLICY
    assert await code_after(url, b"") == POLICY


async def test_who_says_nothing_is_sent_away(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page_module, "HELLO_SECONDS", 0.05)
    async with PageClient.open(url, hello=False) as page:
        assert await page.closed() == (POLICY, "no Hello came")


async def test_a_flood_of_frames_ends_the_connection_and_frees_its_calls(url: str, source: MessageSource) -> None:
    async with PageClient.open(url) as page, PageClient.open(url) as other:
        call_id = await page.begin(NAME, session_id="s")
        await source.until(under_way=1)
        flood = frame_pb2.ClientFrame(call_id=call_id + 1, credit=frame_pb2.Credit()).SerializeToString()
        await asyncio.gather(
            *(page.socket.send(flood) for _ in range(int(4 * FRAMES_PER_SECOND))), return_exceptions=True
        )
        assert await page.closed() == (POLICY, "too many frames")
        await source.until(under_way=0)
        await other.begin(NAME, session_id="s")
        assert (await other.read()).message


@pytest.mark.parametrize("opcode", [Opcode.PING, Opcode.PONG, Opcode.CONT])
async def test_a_flood_of_what_the_application_never_sees_ends_the_connection_too(url: str, opcode: Opcode) -> None:
    async with PageClient.open(url, hello=False) as page:
        protocol = page.socket.protocol
        if opcode is Opcode.CONT:
            protocol.send_binary(b"", fin=False)
        for _ in range(int(CONTROL_FRAMES_AT_ONCE) + 50):
            protocol.writes.append(Frame(opcode, b"", fin=opcode is not Opcode.CONT).serialize(mask=True))
        page.socket.send_data()
        assert await page.closed() == (POLICY, "too many frames")


async def test_nothing_is_compressed_so_that_nothing_unfolds(url: str) -> None:
    async with PageClient.open(url, compression="deflate") as page:
        assert page.socket.protocol.extensions == []
        assert "sec-websocket-extensions" not in (page.socket.response.headers if page.socket.response else {})
        zipped = bytes([0b1100_0010, 0b1000_0001, 0, 0, 0, 0, 0])  # the bit of compression, a mask and one byte
        page.socket.transport.write(zipped)
        assert (await page.closed())[0] == PROTOCOL_ERROR


async def test_a_page_that_takes_nothing_in_delays_no_other_and_holds_a_bounded_number_of_messages(
    url: str, source: MessageSource
) -> None:
    source.size = 1 << 20
    async with PageClient.open(url, max_queue=1) as stuck, PageClient.open(url) as other:
        await stuck.begin(NAME, credit=1000, session_id="s")
        await source.until(under_way=1)
        stuck.socket.transport.pause_reading()
        before = source.made
        await other.begin(NAME, credit=50, session_id="s")
        for _ in range(50):
            assert len((await other.read()).message) == source.size
        assert source.made - before < 50 + 20
        stuck.socket.transport.abort()


async def test_pages_have_a_bound(front: FrontEnd) -> None:
    async with serving_web(front, WebSettings(pages=2)) as url, PageClient.open(url):
        async with PageClient.open(url):
            with pytest.raises(InvalidStatus) as refused:
                await PageClient.open(url).__aenter__()
            assert refused.value.response.status_code == 503
        async with asyncio.timeout(DEADLINE):
            while not await admitted(url):
                pass


async def admitted(url: str) -> bool:
    try:
        async with PageClient.open(url):
            return True
    except InvalidStatus:
        return False


async def test_the_websocket_has_one_address(url: str) -> None:
    for path in ("/", "/stream", "/streams/", "/catenary.v1.SessionService/CreateSession"):
        with pytest.raises(InvalidStatus) as refused:
            await PageClient.open(url, path=path).__aenter__()
        assert refused.value.response.status_code == 404
