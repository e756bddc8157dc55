"""Whose pages may use the server."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import pytest
from served_web import serving_web
from web_client import CONNECT, PageClient, fetch
from websockets.exceptions import InvalidStatus
from wire_client import method

from catenary_server.transport.web.origin import Origin, OriginError, OriginPolicy
from catenary_server.transport.web.server import WebSettings

if TYPE_CHECKING:
    from catenary_server.transport.front_end import FrontEnd

PORT = 50080
LOOPBACK = ("127.0.0.1", PORT)
NETWORK = ("192.0.2.7", PORT)


def refusal(policy: OriginPolicy, server: tuple[str, int], host: str, origin: str | None, **scope: str) -> str | None:
    asked: dict[str, Any] = {"type": "http", "scheme": "http", "server": server, "method": "POST", **scope}
    headers = {"host": host} | ({} if origin is None else {"origin": origin})
    return policy.refusal(asked, headers)


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost", "LocalHost", "[::1]"])
@pytest.mark.parametrize("server", [LOOPBACK, ("::1", PORT), ("127.8.9.1", PORT)])
def test_a_loopback_server_is_called_by_any_name_of_loopback(name: str, server: tuple[str, int]) -> None:
    host = f"{name}:{PORT}"
    assert refusal(OriginPolicy(), server, host, None) is None
    assert refusal(OriginPolicy(), server, host, f"http://{host.lower()}") is None


@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:50080", "127.0.0.1", "127.0.0.1:80", "127.0.0.1:50081", "192.0.2.7:50080",
     "localhost.evil.example:50080", "127.0.0.1.evil.example:50080", "127.0.0.1:50080@evil.example",
     "evil.example/127.0.0.1:50080", "", " ", "[::1", "127.0.0.1:50080#", "127.0.0.1:99999", "127.0.0.1:x",
     "2130706433:50080", "localhost:\u0665\u0660\u0660\u0668\u0660"],
)  # fmt: skip
def test_any_other_name_is_not_ours_so_that_rebinding_leads_nowhere(host: str) -> None:
    assert refusal(OriginPolicy(), LOOPBACK, host, None) is not None
    assert refusal(OriginPolicy(), LOOPBACK, host, f"http://{host}") is not None


@pytest.mark.parametrize(
    "origin",
    ["http://evil.example", "http://127.0.0.1", "http://127.0.0.1:50081", "https://127.0.0.1:50080", "null", "",
     "http://localhost:50080", "http://127.0.0.1:50080.evil.example", "file://", "http://127.0.0.1:50080/"],
)  # fmt: skip
@pytest.mark.parametrize("verb", ["GET", "HEAD", "POST", "OPTIONS"])
def test_a_page_of_another_origin_is_refused_whatever_it_sends(origin: str, verb: str) -> None:
    assert refusal(OriginPolicy(), LOOPBACK, "127.0.0.1:50080", origin, method=verb) is not None


def test_a_network_server_is_called_by_its_own_address_or_the_names_that_the_operator_gave() -> None:
    policy = OriginPolicy(("runs.example.org", "gpu:8443"))
    for host in ("192.0.2.7:50080", "runs.example.org:50080", "gpu:8443"):
        assert refusal(policy, NETWORK, host, f"http://{host}") is None, host
    for host in ("localhost:50080", "127.0.0.1:50080", "runs.example.org", "runs.example.org:8443", "gpu:50080"):
        assert refusal(policy, NETWORK, host, f"http://{host}") is not None, host


def test_an_address_of_ipv4_on_a_socket_for_both_is_the_address() -> None:
    host = "192.0.2.7:50080"
    assert refusal(OriginPolicy(), ("::ffff:192.0.2.7", PORT), host, f"http://{host}") is None
    assert refusal(OriginPolicy(), ("::ffff:127.0.0.1", PORT), "localhost:50080", "http://localhost:50080") is None


def test_behind_a_proxy_the_origin_is_the_proxy_as_the_operator_names_it() -> None:
    policy = OriginPolicy(("https://runs.example.org",))
    assert refusal(policy, LOOPBACK, "runs.example.org", "https://runs.example.org") is None
    assert refusal(policy, LOOPBACK, "runs.example.org:443", "https://runs.example.org") is None
    assert refusal(policy, LOOPBACK, "runs.example.org", "http://runs.example.org") is not None
    assert refusal(policy, LOOPBACK, "runs.example.org:50080", "https://runs.example.org") is not None


def test_an_encrypted_server_takes_encrypted_pages_only() -> None:
    host = "192.0.2.7:50080"
    for scheme in ("https", "wss"):
        assert refusal(OriginPolicy(), NETWORK, host, f"https://{host}", scheme=scheme) is None
        assert refusal(OriginPolicy(), NETWORK, host, f"http://{host}", scheme=scheme) is not None


def test_callers_without_an_origin_may_only_read_pages_where_nothing_else_protects_the_server() -> None:
    policy = OriginPolicy(headless=False)
    assert refusal(policy, NETWORK, "192.0.2.7:50080", None) == "the request has no Origin"
    assert refusal(policy, NETWORK, "192.0.2.7:50080", None, method="GET") is None
    websocket = {"type": "websocket", "scheme": "ws", "server": NETWORK}
    assert policy.refusal(websocket, {"host": "192.0.2.7:50080"}) == "the request has no Origin"


@pytest.mark.parametrize("text", ["", "a b", "ftp://x", "http://x/path", "http://u:p@x", "x?y", "x#y", "x:port", "//x"])
def test_a_name_that_an_operator_gives_is_checked_at_the_start(text: str) -> None:
    with pytest.raises(OriginError):
        OriginPolicy((text,))


def test_an_origin_is_written_as_browsers_write_it() -> None:
    for text in ("http://a", "https://a:80", "http://[::1]:50080", "https://[::1]"):
        assert str(Origin.parse(text)) == text
    assert str(Origin.parse("a:443", scheme="https")) == "https://a"


async def test_over_the_wire_origin_host_and_method_decide_alike(url: str) -> None:
    own = url.removesuffix("/").removeprefix("http://")
    hosts, origins = (own, "evil.example"), (None, f"http://{own}", "http://evil.example", "null")
    for host, origin in itertools.product(hosts, origins):
        headers = {"host": host} | ({} if origin is None else {"origin": origin})
        welcome = host == own and origin in (None, f"http://{own}")
        page = await fetch(url, headers=headers)
        called = await fetch(url, "POST", method("ListSessions").path, CONNECT | headers)
        assert (page.status, called.status) == ((200, 200) if welcome else (403, 403)), headers
        assert await upgrade(url, headers) == (101 if welcome else 403), headers


async def upgrade(url: str, headers: dict[str, str]) -> int:
    """Status of the answer to the request for a WebSocket."""
    try:
        async with PageClient.open(url, called=headers["host"], origin=headers.get("origin")):
            return 101
    except InvalidStatus as refused:
        return refused.response.status_code


async def test_a_proxy_header_does_not_change_where_a_request_comes_from(front: FrontEnd) -> None:
    async with serving_web(front, WebSettings(hosts=("https://runs.example.org",))) as url:
        own = url.removesuffix("/").removeprefix("http://")
        forged = {"x-forwarded-proto": "https", "x-forwarded-host": own, "origin": f"https://{own}"}
        assert (await fetch(url, headers=forged)).status == 403
