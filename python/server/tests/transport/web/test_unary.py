"""Unary RPCs by POST, as the Connect protocol has them."""

from __future__ import annotations

import asyncio
import itertools
from typing import TYPE_CHECKING, Any

import pytest
from application import Application, content
from served_web import serving_web
from web_client import CONNECT, Http, bearer, call, fetch, post
from wire_client import method

from catenary_server.transport.front_end import build_front_end
from catenary_server.transport.interceptors.authentication import AnonymousAuthenticator, contract_scopes
from catenary_server.transport.methods import contract_methods
from catenary_server.transport.settings import MEBIBYTE, CallLimits, MessageSizes, TransportSettings
from catenary_server.transport.web.server import WebSettings

if TYPE_CHECKING:
    from pathlib import Path

    from authorization import Tokens

    from catenary_server.transport.front_end import FrontEnd
    from catenary_server.transport.services import Services

CREATE = method("CreateSession").path
UNARY = [each for each in contract_methods().values() if not each.client_streaming and not each.server_streaming]
STREAMING = [each for each in contract_methods().values() if each not in UNARY]

FOREIGN_TYPES = (
    "text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "application/json", "",
    "text/plain; application/proto", "application/protobuf", "application/grpc-web",
)  # fmt: skip
DIALECTS: list[tuple[dict[str, str], int, str]] = [
    ({"connect-protocol-version": "2"}, 400, "MALFORMED_MESSAGE"),
    ({"connect-protocol-version": ""}, 400, "MALFORMED_MESSAGE"),
    ({"connect-timeout-ms": "soon"}, 400, "MALFORMED_MESSAGE"),
    ({"connect-timeout-ms": "-1"}, 400, "MALFORMED_MESSAGE"),
    ({"connect-timeout-ms": "12345678901"}, 400, "MALFORMED_MESSAGE"),
    ({"content-encoding": "gzip"}, 501, "FEATURE_DISABLED"),
    ({"content-encoding": "br"}, 501, "FEATURE_DISABLED"),
]


async def test_a_session_is_made_used_and_closed(url: str) -> None:
    session_id = (await call(url, "CreateSession")).session_id
    assert [each.session_id for each in (await call(url, "ListSessions")).sessions] == [session_id]
    await call(url, "CloseSession", session_id=session_id)
    assert not (await call(url, "ListSessions")).sessions


async def test_one_connection_serves_many_calls(url: str) -> None:
    async with Http.open(url) as http:
        for _ in range(5):
            http.send("POST", CREATE, CONNECT)
            answer = await http.answer()
            assert (answer.status, answer.headers["content-type"]) == (200, "application/proto")
            assert answer.headers["cache-control"] == "no-store"
            assert answer.headers["x-content-type-options"] == "nosniff"


async def test_every_unary_rpc_is_reached(url: str) -> None:
    for rpc in UNARY:
        answer = await fetch(url, "POST", rpc.path, CONNECT, b"\x0a\xff\xff\xff\xff\x0f")
        served = answer.failure.reason in ("MALFORMED_MESSAGE", "FEATURE_DISABLED")
        assert served, (rpc.path, answer)


async def test_an_rpc_that_streams_says_where_it_is(url: str) -> None:
    for rpc in STREAMING:
        answer = await fetch(url, "POST", rpc.path, CONNECT)
        assert (answer.status, answer.failure.reason) == (501, "FEATURE_DISABLED")
        assert "/streams" in answer.failure.message


async def test_another_path_is_no_rpc(url: str) -> None:
    for path in ("/", "/catenary.v1.SessionService", "/catenary.v1.SessionService/Nothing", f"/x{CREATE}"):
        assert (await fetch(url, "POST", path, CONNECT)).status == 404


async def test_what_a_page_of_a_stranger_can_send_is_not_taken(url: str, app: Application) -> None:
    for content_type in FOREIGN_TYPES:
        answer = await fetch(url, "POST", CREATE, CONNECT | {"content-type": content_type})
        assert (answer.status, answer.headers["accept-post"]) == (415, "application/proto"), content_type
    assert len(app.sessions.open_sessions()) == 0


async def test_another_dialect_is_refused(url: str, app: Application) -> None:
    for headers, status, reason in DIALECTS:
        answer = await fetch(url, "POST", CREATE, CONNECT | headers)
        assert (answer.status, answer.failure.reason) == (status, reason), headers
        assert answer.headers["content-type"] == "application/json"
    assert len(app.sessions.open_sessions()) == 0


async def test_a_refusal_carries_the_details_of_grpc(url: str) -> None:
    answer = await post(url, "GetSession", session_id="none")
    failure = answer.failure
    assert (answer.status, failure.reason) == (404, "SESSION_NOT_FOUND")
    assert failure.metadata["method"] == method("GetSession").path
    invalid = (await post(url, "ListSessions", page_size=-1)).failure
    assert [each.subject for each in invalid.violations] == ["page_size"]


async def test_a_defect_is_an_incident_and_no_more(url: str, app: Application) -> None:
    session_id = (await call(url, "CreateSession")).session_id
    app.runtime.faults["load_pipeline"] = RuntimeError("secret path")
    answer = await post(url, "LoadPipeline", session_id=session_id, pipeline={"config_bytes": content()})
    assert (answer.status, answer.failure.reason) == (500, "INTERNAL_BUG")
    assert b"secret" not in answer.body


async def test_callers_are_told_apart_by_their_tokens(guarded_url: str, tokens: Tokens) -> None:
    everything = contract_scopes()
    alice, bob = tokens.make(everything, "alice"), tokens.make(everything, "bob")
    viewer = tokens.make(frozenset({"session.read"}), "alice")
    session_id = (await call(guarded_url, "CreateSession", bearer(alice))).session_id
    assert (
        await call(guarded_url, "GetSession", bearer(viewer), session_id=session_id)
    ).session.session_id == session_id
    expected = {
        None: (401, "TOKEN_MISSING"),
        "catenary_guess": (401, "TOKEN_INVALID"),
        tokens.make(everything, "carol", expires=1.0): (401, "TOKEN_EXPIRED"),
        viewer: (403, "SCOPE_MISSING"),
        bob: (404, "SESSION_NOT_FOUND"),
    }
    name = "CloseSession"
    for token, (status, reason) in expected.items():
        answer = await post(guarded_url, name, None if token is None else bearer(token), session_id=session_id)
        assert (answer.status, answer.failure.reason) == (status, reason)


async def test_no_rpc_is_open_to_who_has_no_token_and_none_takes_it_from_the_address(
    guarded_url: str, tokens: Tokens
) -> None:
    token = tokens.make(contract_scopes())
    for rpc in UNARY:
        for path in (rpc.path, f"{rpc.path}?token={token}&authorization=Bearer%20{token}"):
            answer = await fetch(guarded_url, "POST", path, CONNECT, b"\x0a\xff")
            assert (answer.status, answer.failure.reason) == (401, "TOKEN_MISSING"), path


async def test_who_may_not_call_is_refused_before_the_body_is_taken_in(guarded_url: str) -> None:
    async with Http.open(guarded_url) as http:
        http.send("POST", method("Inference").path, CONNECT | {"content-length": str(200 * MEBIBYTE)})
        assert (await http.answer()).failure.reason == "TOKEN_MISSING"


@pytest.mark.parametrize("size", [MEBIBYTE + 1, 10**15])
async def test_a_request_that_is_declared_too_large_is_not_waited_for(url: str, size: int) -> None:
    async with Http.open(url) as http:
        http.send("POST", CREATE, CONNECT | {"content-length": str(size)})
        answer = await http.answer()
    assert answer.status == 429
    assert answer.failure.reason in ("MESSAGE_TOO_LARGE", "QUOTA_MEMORY")


async def test_a_body_of_undeclared_length_is_taken_up_to_the_limit(url: str) -> None:
    chunked = CONNECT | {"transfer-encoding": "chunked"}
    assert (await fetch(url, "POST", CREATE, chunked, b"")).status == 200
    answer = await fetch(url, "POST", CREATE, chunked, bytes(MEBIBYTE + 1))
    assert (answer.status, answer.failure.reason) == (429, "MESSAGE_TOO_LARGE")


async def test_large_requests_that_are_on_their_way_count_as_memory_in_use(services: Services, build: Path) -> None:
    settings = TransportSettings(
        sizes=MessageSizes(inference=3 * MEBIBYTE), limits=CallLimits(memory=4 * MEBIBYTE, large_message=MEBIBYTE)
    )
    front = build_front_end(settings, services, AnonymousAuthenticator())
    web = WebSettings(assets=build, sizes=settings.sizes)
    inference = method("Inference").path
    async with serving_web(front, web) as url, Http.open(url) as slow:
        slow.send("POST", inference, CONNECT | {"content-length": str(3 * MEBIBYTE)}, b"\x0a")
        await until_full(url, inference)
    async with serving_web(front, web) as url:
        freed = await fetch(url, "POST", inference, CONNECT, bytes(2 * MEBIBYTE))
        assert freed.failure.reason == "MALFORMED_MESSAGE"


async def until_full(url: str, path: str) -> None:
    """Ask until the other request has its room, which it gets when its headers have arrived."""
    async with asyncio.timeout(10):
        for size in itertools.repeat(2 * MEBIBYTE):
            answer = await fetch(url, "POST", path, CONNECT, bytes(size))
            if answer.failure.reason == "QUOTA_MEMORY":
                return


async def test_a_caller_that_goes_away_frees_its_call(url: str, app: Application) -> None:
    started, ended = hold_loading(app)
    session_id = (await call(url, "CreateSession")).session_id
    request = method("LoadPipeline").request(session_id=session_id, pipeline={"config_bytes": content()})
    async with Http.open(url) as http:
        http.send("POST", method("LoadPipeline").path, CONNECT, request.SerializeToString())
        await asyncio.wait_for(started.wait(), 10)
    await asyncio.wait_for(ended.wait(), 10)


async def test_a_deadline_ends_the_call_and_says_so(url: str, app: Application) -> None:
    _, ended = hold_loading(app)
    session_id = (await call(url, "CreateSession")).session_id
    timeout = {"connect-timeout-ms": "50"}
    answer = await post(url, "LoadPipeline", timeout, session_id=session_id, pipeline={"config_bytes": content()})
    assert (answer.status, answer.failure.code.name) == (504, "DEADLINE_EXCEEDED")
    await asyncio.wait_for(ended.wait(), 10)


def hold_loading(app: Application) -> tuple[asyncio.Event, asyncio.Event]:
    """Let loading a pipeline never come to its end; events for its beginning and its cancellation."""
    started, ended = asyncio.Event(), asyncio.Event()

    async def held(*_: Any, **__: Any) -> Any:
        started.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    app.pipelines.load = held  # type: ignore[method-assign] # what takes long, in place of the real thing
    return started, ended


async def test_calls_over_http_and_grpc_share_their_limits(services: Services, build: Path, app: Application) -> None:
    started, _ = hold_loading(app)
    settings = TransportSettings(limits=CallLimits(calls=1))
    front: FrontEnd = build_front_end(settings, services, AnonymousAuthenticator())
    async with serving_web(front, WebSettings(assets=build)) as url, Http.open(url) as http:
        session_id = (await call(url, "CreateSession")).session_id
        request = method("LoadPipeline").request(session_id=session_id, pipeline={"config_bytes": content()})
        http.send("POST", method("LoadPipeline").path, CONNECT, request.SerializeToString())
        await asyncio.wait_for(started.wait(), 10)
        answer = await post(url, "ListSessions")
        assert (answer.status, answer.failure.reason) == (429, "QUOTA_RPCS")
        assert (await post(url, "GetServerInfo")).status == 200
