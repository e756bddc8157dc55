"""The ports of a server, which start and end together: gRPC, and the dashboard's if it has one."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from catenary_server.transport.server import GrpcServer
    from catenary_server.transport.web.server import WebServer


@dataclasses.dataclass(frozen=True, slots=True)
class Addresses:
    """Where a server answers.

    Attributes:
        port: of gRPC.
        dashboard: what to open in a browser; None without a dashboard.
    """

    port: int
    dashboard: str | None


class Ports:
    """Can be started once and stopped once. Use it on one event loop."""

    def __init__(self, grpc: GrpcServer, web: WebServer | None) -> None:
        self._grpc = grpc
        self._web = web

    async def start(self) -> Addresses:
        """Listen and answer calls; health says SERVING once all ports answer.

        Raises:
            ListenError: an address is taken or not of this machine; then nothing listens.
        """
        port = await self._grpc.start()
        try:
            dashboard = None if self._web is None else await self._web.start()
        except OSError:
            await self._grpc.drain(0)
            raise
        await self._grpc.set_serving(serving=True)
        return Addresses(port, dashboard)

    async def begin_drain(self) -> None:
        """Refuse new calls; those under way go on, but for what pages watch: a page that is open would never end."""
        await self._grpc.begin_drain()
        if self._web is not None:
            self._web.dismiss_pages()

    async def drain(self, grace: float) -> None:
        """Refuse new calls, give those under way `grace` seconds to end, and stop listening."""
        await self.begin_drain()
        await self._grpc.drain(grace)
        if self._web is not None:
            await self._web.stop()
