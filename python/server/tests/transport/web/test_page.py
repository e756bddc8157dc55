"""Streams over a page's WebSocket: greeting, credit, end."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from message_source import NAME, MessageSource
from served_web import serving_web
from web_client import PageClient, call, failure_of
from wire_client import method

from catenary.dashboard.v1 import frame_pb2
from catenary_server.domain.failure import Failure, Reason
from catenary_server.transport.front_end import build_front_end
from catenary_server.transport.interceptors.authentication import (
    AnonymousAuthenticator,
    TokenAuthenticator,
    contract_scopes,
)
from catenary_server.transport.methods import contract_methods
from catenary_server.transport.settings import CallLimits, TransportSettings
from catenary_server.transport.web import page as page_module

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from authorization import Tokens

    from catenary_server.transport.front_end import FrontEnd
    from catenary_server.transport.services import Services

POLICY = 1008
WATCH = method(NAME)


@pytest.fixture
def source() -> MessageSource:
    return MessageSource()


@pytest.fixture
async def url(front: FrontEnd, source: MessageSource) -> AsyncIterator[str]:
    async with serving_web(source.behind(front)) as url:
        yield url


@pytest.fixture
async def page(url: str) -> AsyncIterator[PageClient]:
    async with PageClient.open(url) as page:
        yield page


async def numbers(page: PageClient, count: int) -> list[int]:
    return [int((await page.read()).message) for _ in range(count)]


async def barrier(page: PageClient) -> None:
    """Returns when the server has done all that was asked before: it answers this afterwards."""
    call_id = await page.begin("WatchRun", run_id="run")
    frame = await page.read()
    assert (frame.call_id, frame.WhichOneof("frame")) == (call_id, "ended")


async def test_welcome_says_who_the_page_speaks_for(page: PageClient) -> None:
    assert page.welcome.principal == "anonymous"
    assert list(page.welcome.scopes) == sorted(contract_scopes())


async def test_a_token_in_the_greeting_speaks_for_its_principal(
    services: Services, tokens: Tokens, source: MessageSource
) -> None:
    front = build_front_end(TransportSettings(), services, TokenAuthenticator(tokens.grants))
    viewer = tokens.make(frozenset({"training.read", "telemetry.read"}), "alice")
    other = tokens.make(frozenset({"telemetry.read"}), "bob")
    async with serving_web(source.behind(front)) as url:
        async with PageClient.open(url, viewer) as page:
            assert page.welcome.principal == "alice"
            assert list(page.welcome.scopes) == ["telemetry.read", "training.read"]
            await page.begin(NAME, session_id="s")
            assert await numbers(page, 1) == [1]
        async with PageClient.open(url, other) as page:
            await page.begin(NAME, session_id="s")
            assert failure_of(await page.ended()).reason == "SCOPE_MISSING"
        for token, reason in (("", "TOKEN_MISSING"), ("catenary_guess", "TOKEN_INVALID")):
            async with PageClient.open(url, hello=False) as page:
                await page.send(hello=frame_pb2.Hello(token=token))
                assert await page.closed() == (POLICY, reason)


async def test_a_token_that_is_taken_back_opens_no_more_calls(
    services: Services, tokens: Tokens, source: MessageSource
) -> None:
    front = build_front_end(TransportSettings(), services, TokenAuthenticator(tokens.grants))
    token = tokens.make(contract_scopes())
    async with serving_web(source.behind(front)) as url, PageClient.open(url, token) as page:
        await page.begin(NAME, session_id="s")
        assert await numbers(page, 1) == [1]
        tokens.grants.clear()
        await page.begin(NAME, session_id="s")
        assert failure_of(await page.ended()).reason == "TOKEN_INVALID"


async def test_as_many_messages_come_as_there_is_credit_and_the_next_is_not_made_before(
    page: PageClient, source: MessageSource
) -> None:
    call_id = await page.begin(NAME, credit=3, session_id="s")
    assert await numbers(page, 3) == [1, 2, 3]
    await barrier(page)
    assert source.made == 3
    await page.give(call_id, 2)
    assert await numbers(page, 2) == [4, 5]
    await barrier(page)
    assert source.made == 5


async def test_no_credit_counts_as_one_message(page: PageClient, source: MessageSource) -> None:
    await page.begin(NAME, credit=0, session_id="s")
    assert await numbers(page, 1) == [1]
    await barrier(page)
    assert source.made == 1


async def test_credit_without_measure_is_measured(page: PageClient, source: MessageSource) -> None:
    source.last = 20
    call_id = await page.begin(NAME, credit=2**32 - 1, session_id="s")
    await page.give(call_id, 2**32 - 1)
    assert await numbers(page, 20) == list(range(1, 21))
    assert (await page.ended()).code == 0


async def test_a_page_without_credit_holds_up_none_of_its_other_calls(page: PageClient, source: MessageSource) -> None:
    first = await page.begin(NAME, credit=1, session_id="s")
    assert await numbers(page, 1) == [1]
    second = await page.begin(NAME, credit=50, session_id="s")
    frames = [await page.read() for _ in range(50)]
    assert {frame.call_id for frame in frames} == {second}
    assert (first, source.under_way) == (1, 2)


async def test_the_end_of_a_stream_is_told_when_there_is_credit_for_more(
    page: PageClient, source: MessageSource
) -> None:
    source.last = 2
    call_id = await page.begin(NAME, credit=2, session_id="s")
    assert await numbers(page, 2) == [1, 2]
    await page.give(call_id)
    assert await page.ended() == frame_pb2.Ended()
    await source.until(under_way=0)


async def test_a_failure_is_told_with_the_details_of_grpc(page: PageClient, source: MessageSource) -> None:
    source.last, source.failure = 1, Failure(Reason.SESSION_CLOSING, "it closes")
    await page.begin(NAME, credit=2, session_id="s")
    failure = failure_of(await page.ended())
    assert (failure.reason, failure.message) == ("SESSION_CLOSING", "it closes")
    assert failure.metadata["method"] == WATCH.path


async def test_a_defect_is_an_incident_and_no_more(page: PageClient, source: MessageSource) -> None:
    source.last, source.failure = 1, RuntimeError("secret path")
    await page.begin(NAME, credit=2, session_id="s")
    ended = await page.ended()
    assert failure_of(ended).reason == "INTERNAL_BUG"
    assert b"secret" not in ended.SerializeToString()


async def test_a_cancelled_call_ends_and_frees_its_place(page: PageClient, source: MessageSource) -> None:
    call_id = await page.begin(NAME, session_id="s")
    assert await numbers(page, 1) == [1]
    await page.cancel(call_id)
    frame = await page.read()
    assert (frame.call_id, frame.ended.code) == (call_id, 1)
    await source.until(under_way=0)
    await page.cancel(call_id)
    await page.give(call_id)
    await barrier(page)


async def test_a_page_that_leaves_frees_its_calls(url: str, source: MessageSource) -> None:
    async with PageClient.open(url) as page:
        for _ in range(3):
            await page.begin(NAME, session_id="s")
        await source.until(under_way=3)
    await source.until(under_way=0)


async def test_a_page_that_vanishes_without_a_word_frees_its_calls(url: str, source: MessageSource) -> None:
    async with PageClient.open(url) as page:
        await page.begin(NAME, credit=5, session_id="s")
        await source.until(under_way=1)
        page.socket.transport.abort()
        await source.until(under_way=0)


async def test_every_rpc_that_streams_its_responses_is_reached_and_no_other(url: str) -> None:
    async with PageClient.open(url) as page:
        for rpc in contract_methods().values():
            await page.begin_raw(rpc.path, b"\x0a\xff\xff\xff\xff\x0f")
            reason = failure_of(await page.ended()).reason
            if rpc.client_streaming or not rpc.server_streaming:
                assert reason == "FEATURE_DISABLED", rpc.path
            elif rpc is not WATCH:
                assert reason in ("MALFORMED_MESSAGE", "FEATURE_DISABLED"), rpc.path
        await page.begin_raw("/catenary.v1.Nothing/Nothing", b"")
        assert failure_of(await page.ended()).reason == "FEATURE_DISABLED"


async def test_a_page_has_a_bound_on_its_calls_beside_that_of_its_principal(
    services: Services, source: MessageSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(page_module, "MOST_CALLS", 2)
    settings = TransportSettings(limits=CallLimits(streams=3))
    front = build_front_end(settings, services, AnonymousAuthenticator())
    async with (
        serving_web(source.behind(front)) as url,
        PageClient.open(url) as page,
        PageClient.open(url) as other,
    ):
        first = await page.begin(NAME, session_id="s")
        await page.begin(NAME, session_id="s")
        await page.begin(NAME, session_id="s")
        assert failure_of(await page.ended()).message.startswith("a page has at most 2 calls")
        await other.begin(NAME, session_id="s")
        await source.until(under_way=3)
        await other.begin(NAME, session_id="s")
        assert "for anonymous" in failure_of(await other.ended()).message
        await page.cancel(first)
        assert (await page.ended()).code == 1
        await page.begin(NAME, session_id="s")
        await source.until(under_way=3)


async def test_unary_calls_go_on_beside_streams(url: str, page: PageClient, source: MessageSource) -> None:
    await page.begin(NAME, credit=1, session_id="s")
    await source.until(under_way=1)
    answers = await asyncio.gather(*(call(url, "ListSessions") for _ in range(8)))
    assert len(answers) == 8
