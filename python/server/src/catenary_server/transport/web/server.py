"""The HTTP server of the dashboard: start and end."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Final

import uvicorn

import catenary_server.dashboard
from catenary_server.transport.listening import ListenError, listen, shown
from catenary_server.transport.settings import MessageSizes
from catenary_server.transport.web.application import WebApplication
from catenary_server.transport.web.assets import Assets
from catenary_server.transport.web.connections import HttpConnection, PageConnection
from catenary_server.transport.web.origin import Origin, OriginPolicy
from catenary_server.transport.web.unary import UnaryCalls

if TYPE_CHECKING:
    import socket
    import ssl
    from collections.abc import Iterator

    from catenary_server.transport.front_end import FrontEnd

STATIC: Final = Path(next(iter(catenary_server.dashboard.__path__))) / "static"
"""Where the build of the pages is."""

MOST_FRAME_BYTES: Final = 64 * 1024
"""Of a page; what it says is small."""
PING_SECONDS: Final = 20.0
LAST_WORDS_SECONDS: Final = 1.0
"""Time for answers that are on their way when the port is closed."""
_EVERYWHERE: Final = frozenset({"0.0.0.0", "::"})  # noqa: S104 - what an operator may choose
TICK_SECONDS: Final = 1.0


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class WebSettings:
    """Where the dashboard listens, and whom it answers. Port 0 takes a free one.

    Attributes:
        hosts: names under which people reach it, beside its own address; see `OriginPolicy`.
        headless: whether callers that are no browser need not say where they come from.
        ssl: of an encrypted port; None does not encrypt.
        connections: that may be open at once.
        pages: of these, WebSockets.
        page_age: seconds after which one of them has to be made anew.
    """

    host: str = "127.0.0.1"
    port: int = 0
    hosts: tuple[str, ...] = ()
    headless: bool = True
    ssl: ssl.SSLContext | None = None
    sizes: MessageSizes = dataclasses.field(default_factory=MessageSizes)
    connections: int = 1024
    pages: int = 256
    page_age: float = 25 * 3600.0
    assets: Path = STATIC


class WebServer:
    """Serves the dashboard. Can be started once and stopped once, on one event loop.

    Raises:
        OriginError: one of the host names is none.
    """

    def __init__(self, settings: WebSettings, front: FrontEnd) -> None:
        self._settings = settings
        self._assets = Assets(settings.assets)
        self._application = WebApplication(
            front,
            origins=OriginPolicy(settings.hosts, headless=settings.headless),
            assets=self._assets,
            calls=UnaryCalls(front, settings.sizes),
            most_pages=settings.pages,
            page_age=settings.page_age,
        )
        self._server = _Server(_config(self._application, settings))
        self._serving: asyncio.Task[None] | None = None

    @property
    def built(self) -> bool:
        """Whether there are pages to show."""
        return self._assets.built

    async def start(self) -> str:
        """Listen and answer. Returns the address of the pages, for a browser.

        Raises:
            ListenError: the address is taken or not of this machine.
        """
        settings = self._settings
        try:
            sockets = listen(settings.host, settings.port)
        except OSError as error:
            address = shown(settings.host, settings.port)
            raise ListenError(
                f"the dashboard cannot listen on {address}: it is taken or not here", "--dashboard-port"
            ) from error
        self._serving = asyncio.create_task(self._server.serve(list(sockets)), name="serve the dashboard")
        await self._server.listening.wait()
        return self._address(sockets[0].getsockname()[1])

    def _address(self, port: int) -> str:
        """What to open; a server that listens everywhere is called by its first name, or from the same machine."""
        settings, scheme = self._settings, "http" if self._settings.ssl is None else "https"
        name = settings.host
        if name in _EVERYWHERE:
            name = settings.hosts[0] if settings.hosts else "localhost"
            return f"{Origin.parse(name, scheme=scheme, port=port)}/"
        return f"{scheme}://{shown(name, port)}/"

    def dismiss_pages(self) -> None:
        """Send away the pages that watch something, which would go on for ever."""
        self._application.dismiss_pages()

    async def stop(self) -> None:
        """Stop listening; answers that are on their way get a moment."""
        if self._serving is not None:
            self.dismiss_pages()
            await self._application.empty()
            self._server.stopping.set()
            await self._serving


class _Server(uvicorn.Server):
    """One that leaves signals to the program, says when it listens, and waits instead of looking again and again."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.listening = asyncio.Event()
        self.stopping = asyncio.Event()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.listening.set()

    async def main_loop(self) -> None:
        while not self.stopping.is_set():
            await self.on_tick(0)  # the time of day, for the headers
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.stopping.wait(), TICK_SECONDS)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:  # noqa: ARG002 - the servers own them
        for server in self.servers:
            server.close()
        for connection in list(self.server_state.connections):
            connection.shutdown()
        if self.server_state.tasks:
            _, late = await asyncio.wait(self.server_state.tasks, timeout=LAST_WORDS_SECONDS)
            for task in late:
                task.cancel()


def _config(application: WebApplication, settings: WebSettings) -> uvicorn.Config:
    config = uvicorn.Config(
        application,
        interface="asgi3",
        lifespan="off",
        http=HttpConnection,
        ws=PageConnection,
        ws_max_size=MOST_FRAME_BYTES,
        ws_per_message_deflate=False,  # a small frame may not unfold into a large one
        ws_ping_interval=PING_SECONDS,
        ws_ping_timeout=PING_SECONDS,
        limit_concurrency=settings.connections,
        proxy_headers=False,  # who asks may not say that somebody else does
        server_header=False,
        log_config=None,
        log_level="error",  # what strangers send is answered, not logged
        access_log=False,
    )
    config.load()
    config.ssl = settings.ssl
    return config
