"""The dashboard of a secured server: encrypted, by the same certificate, and with the tokens' rights."""

from __future__ import annotations

import http.client
import json
import ssl
from contextlib import closing
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect
from websockets.typing import Origin

from catenary.dashboard.v1 import frame_pb2
from catenary.v1 import session_requests_pb2

if TYPE_CHECKING:
    from secured_server import SecuredServer

SECONDS = 20.0


@pytest.fixture
def url(secured: SecuredServer) -> str:
    """Address of the dashboard, as the log tells it."""
    said = [json.loads(line)["message"] for line in secured.log.read_text().splitlines()]
    (address,) = (message.partition(" ")[2] for message in said if message.startswith("Dashboard: "))
    return str(address)


@pytest.fixture
def trusting(secured: SecuredServer) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=secured.ca)


def call(url: str, trusting: ssl.SSLContext, name: str, token: str = "", origin: str = "") -> tuple[int, bytes]:
    """Status and body of the answer to an RPC of SessionService without fields."""
    headers = {"Content-Type": "application/proto", "Connect-Protocol-Version": "1"}
    headers |= {"Authorization": f"Bearer {token}"} if token else {}
    headers |= {"Origin": origin} if origin else {}
    opened = http.client.HTTPSConnection(urlsplit(url).netloc, timeout=SECONDS, context=trusting)
    with closing(opened) as connection:
        connection.request("POST", f"/catenary.v1.SessionService/{name}", b"", headers)
        answer = connection.getresponse()
        return answer.status, answer.read()


def greeted(url: str, trusting: ssl.SSLContext, token: str) -> frame_pb2.Welcome:
    where = urlsplit(url)
    origin = Origin(f"https://{where.netloc}")
    with connect(f"wss://{where.netloc}/streams", ssl=trusting, origin=origin, proxy=None) as page:
        page.send(frame_pb2.ClientFrame(hello=frame_pb2.Hello(token=token)).SerializeToString())
        received = page.recv(SECONDS)
    assert isinstance(received, bytes)
    return frame_pb2.ServerFrame.FromString(received).welcome


def test_pages_are_encrypted_and_need_no_token(url: str, trusting: ssl.SSLContext) -> None:
    where = urlsplit(url)
    assert where.scheme == "https"
    with closing(http.client.HTTPSConnection(where.netloc, timeout=SECONDS, context=trusting)) as connection:
        connection.request("GET", "/")
        assert connection.getresponse().status == 200
    with closing(http.client.HTTPConnection(where.netloc, timeout=SECONDS)) as plain:
        plain.request("GET", "/")
        with pytest.raises((http.client.HTTPException, ConnectionError)):
            plain.getresponse()


def test_calls_need_the_token_that_grpc_needs(url: str, trusting: ssl.SSLContext, secured: SecuredServer) -> None:
    for token, status, code in (
        ("", 401, "unauthenticated"),
        ("catenary_guess", 401, "unauthenticated"),
        (secured.viewer, 403, "permission_denied"),
    ):
        answered, body = call(url, trusting, "CreateSession", token)
        assert (answered, json.loads(body)["code"]) == (status, code)
    origin = url.rstrip("/")
    assert call(url, trusting, "ListSessions", secured.viewer, origin)[0] == 200
    assert call(url, trusting, "ListSessions", secured.viewer, "https://evil.example")[0] == 403


def test_principals_see_their_own_sessions_alone(url: str, trusting: ssl.SSLContext, secured: SecuredServer) -> None:
    with secured.client(secured.alice) as alice, alice.session() as session:
        for token, seen in ((secured.alice, True), (secured.bob, False)):
            _, body = call(url, trusting, "ListSessions", token)
            listed = session_requests_pb2.ListSessionsResponse.FromString(body).sessions
            assert (session.session_id in [each.session_id for each in listed]) is seen


def test_a_greeting_tells_what_the_token_permits(url: str, trusting: ssl.SSLContext, secured: SecuredServer) -> None:
    welcome = greeted(url, trusting, secured.viewer)
    assert welcome.principal == "viewer"
    assert "telemetry.read" in welcome.scopes
    assert not [scope for scope in welcome.scopes if not scope.endswith(".read")]
    with pytest.raises(ConnectionClosed) as refused:
        greeted(url, trusting, "catenary_guess")
    assert refused.value.rcvd is not None
    assert (refused.value.rcvd.code, refused.value.rcvd.reason) == (1008, "TOKEN_INVALID")


def test_no_token_is_in_the_log(url: str, trusting: ssl.SSLContext, secured: SecuredServer) -> None:
    for token in (secured.viewer, secured.alice):
        call(url, trusting, f"ListSessions?token={token}", token)
        greeted(url, trusting, token)
        assert token not in secured.log.read_text()
