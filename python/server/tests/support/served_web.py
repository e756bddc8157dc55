"""A dashboard in this process."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from catenary_server.transport.web.server import WebServer, WebSettings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from catenary_server.transport.front_end import FrontEnd


@contextlib.asynccontextmanager
async def serving_web(front: FrontEnd, settings: WebSettings | None = None) -> AsyncIterator[str]:
    """Serve it as long as the block lasts; gives its address."""
    server = WebServer(settings or WebSettings(), front)
    url = await server.start()
    try:
        yield url
    finally:
        await server.stop()
