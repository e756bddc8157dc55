"""What answers the requests of the dashboard's port: checks where they come from and tells them apart."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from catenary_server.domain.failure import Reason
from catenary_server.transport.web.asgi import headers_of
from catenary_server.transport.web.page import Page
from catenary_server.transport.web.responses import refuse_upgrade, say

if TYPE_CHECKING:
    from collections.abc import Mapping

    from catenary_server.transport.front_end import FrontEnd
    from catenary_server.transport.guard import StreamBehaviour
    from catenary_server.transport.web.asgi import Receive, Scope, Send
    from catenary_server.transport.web.assets import Assets
    from catenary_server.transport.web.origin import OriginPolicy
    from catenary_server.transport.web.unary import UnaryCalls

STREAMS: Final = "/streams"
"""Path of the WebSocket."""


class WebApplication:
    """An ASGI application.

    Args:
        front: who answers calls, and the checks before.
        origins: which pages may ask.
        assets: the pages themselves.
        calls: unary RPCs.
        most_pages: WebSockets that may be open at once.
        page_age: seconds after which a page connects anew, and so shows its token again.
    """

    def __init__(
        self,
        front: FrontEnd,
        *,
        origins: OriginPolicy,
        assets: Assets,
        calls: UnaryCalls,
        most_pages: int,
        page_age: float,
    ) -> None:
        self._guard = front.guard
        self._origins = origins
        self._assets = assets
        self._calls = calls
        self._most_pages = most_pages
        self._page_age = page_age
        self._pages: set[Page] = set()
        self._empty = asyncio.Event()
        self._empty.set()
        self._behaviours: dict[str, StreamBehaviour] = {
            path: front.guard.stream(route, path)
            for path, route in front.routes.routes.items()
            if route.method.server_streaming and not route.method.client_streaming
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request or speak with a page."""
        if scope["type"] == "websocket":
            await self._page(scope, receive, send)
        elif scope["type"] == "http":
            await self._request(scope, receive, send)

    def dismiss_pages(self) -> None:
        """Send all pages away."""
        for page in self._pages:
            page.dismiss(Reason.DRAINING)

    async def empty(self) -> None:
        """Wait until no page is there."""
        await self._empty.wait()

    async def _request(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = headers_of(scope)
        refusal = self._origins.refusal(scope, headers)
        if refusal is not None:
            await say(send, 403, refusal)
        elif scope["method"] == "POST":
            await self._calls.answer(scope, headers, receive, send)
        elif scope["method"] in ("GET", "HEAD"):
            await self._assets.answer(scope, headers, send)
        else:
            await say(send, 405, "send GET or POST", (("allow", "GET, HEAD, POST"),))

    async def _page(self, scope: Scope, receive: Receive, send: Send) -> None:
        await receive()  # the request for the connection, which is in the scope
        refused = self._refused_page(scope, headers_of(scope))
        if refused is not None:
            await refuse_upgrade(send, *refused)
            return
        page = Page(self._guard, self._behaviours, receive, send)
        self._pages.add(page)
        self._empty.clear()
        expiry = asyncio.get_running_loop().call_later(self._page_age, page.dismiss, "connect again")
        try:
            await send({"type": "websocket.accept"})
            await page.run()
        finally:
            expiry.cancel()
            self._pages.discard(page)
            if not self._pages:
                self._empty.set()

    def _refused_page(self, scope: Scope, headers: Mapping[str, str]) -> tuple[int, str] | None:
        refusal = self._origins.refusal(scope, headers)
        if refusal is not None:
            return 403, refusal
        if scope["path"] != STREAMS:
            return 404, f"the WebSocket is {STREAMS}"
        if len(self._pages) >= self._most_pages:
            return 503, f"{self._most_pages} pages are open, which is the limit"
        return None
