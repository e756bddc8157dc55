"""HTTP responses, each with the headers that keep a page to what it is meant to be."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from catenary_server.transport.web.asgi import Headers, Send

CONTENT_SECURITY_POLICY: Final = (
    "default-src 'self'; img-src 'self' blob: data:; connect-src 'self'; worker-src 'self'; style-src 'self'; "
    "script-src 'self'; object-src 'none'; base-uri 'none'; frame-ancestors 'none'; form-action 'none'"
)
"""Scripts and styles from files of our own only: text that a training sends cannot become code, wherever it lands."""

SECURITY_HEADERS: Final[Headers] = (
    ("content-security-policy", CONTENT_SECURITY_POLICY),
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "no-referrer"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
)

PLAIN: Final = "text/plain; charset=utf-8"


async def respond(send: Send, status: int, body: bytes, content_type: str, headers: Headers = ()) -> None:
    """Answer a request. Nothing is cached unless `headers` say so."""
    named = {"cache-control": "no-store"} | dict(headers)
    fields = (*SECURITY_HEADERS, ("content-type", content_type), ("content-length", str(len(body))), *named.items())
    encoded = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in fields]
    await send({"type": "http.response.start", "status": status, "headers": encoded})
    await send({"type": "http.response.body", "body": body})


async def say(send: Send, status: int, text: str, headers: Headers = ()) -> None:
    """Answer with a line of text, for people."""
    await respond(send, status, f"{text}\n".encode(), PLAIN, headers)


async def refuse_upgrade(send: Send, status: int, text: str) -> None:
    """Answer a request for a WebSocket with a status instead."""
    headers = [(b"content-type", PLAIN.encode())]
    await send({"type": "websocket.http.response.start", "status": status, "headers": headers})
    await send({"type": "websocket.http.response.body", "body": f"{text}\n".encode()})
