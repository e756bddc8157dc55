"""The life of a server of any kind: signals, the address that it announces, what it tells the transport."""

from __future__ import annotations

import asyncio
import logging
import signal
from typing import TYPE_CHECKING, Any

import uvloop

from catenary_server.allocator import keep_freed_memory
from catenary_server.domain.failure import Failure
from catenary_server.transport.listening import ListenError
from catenary_server.transport.ports import Ports
from catenary_server.transport.server import GrpcServer
from catenary_server.transport.settings import MessageSizes, TransportSettings
from catenary_server.transport.web.server import WebServer, WebSettings

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from catenary_server.access import Access
    from catenary_server.settings import Settings
    from catenary_server.transport.front_end import FrontEnd
    from catenary_server.transport.ports import Addresses

log = logging.getLogger(__name__)

CANNOT_WORK = 2
"""Exit code when a folder cannot be used."""
CANNOT_LISTEN = 3
"""Exit code when the address is taken."""


def run(serving: Coroutine[Any, Any, None]) -> int:
    """Serve to the end, and return the exit code."""
    keep_freed_memory()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        try:
            runner.run(serving)
        except ListenError as error:
            log.error("%s; take another %s, or 0 for a free one", error, error.option)  # noqa: TRY400 - no stack needed
            return CANNOT_LISTEN
        except Failure as failure:
            log.error("the server cannot start: %s", failure.message)  # noqa: TRY400 - no stack is needed
            return CANNOT_WORK
    return 0


def stop_signal(settings: Settings, access: Access) -> asyncio.Event:
    """Set by the first SIGTERM or SIGINT; the second gets the default action back and ends the process.

    With certificates or tokens, SIGHUP has them read again.
    """
    loop, stop = asyncio.get_running_loop(), asyncio.Event()

    def on_signal(number: signal.Signals) -> None:
        stop.set()
        loop.remove_signal_handler(number)
        signal.signal(number, signal.SIG_DFL)

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, on_signal, number)
    if settings.tokens is not None or settings.tls_cert is not None:
        loop.add_signal_handler(signal.SIGHUP, access.reread)
    log.info("Starting Catenary gRPC server on %s:%s", settings.host, settings.port)
    return stop


def transport_settings(settings: Settings, access: Access) -> TransportSettings:
    """What the transport is told."""
    return TransportSettings(
        host=settings.host,
        port=settings.port,
        sizes=MessageSizes(inference=settings.max_message_size),
        limits=settings.calls,
        reflection=settings.reflection,
        loopback=settings.loopback,
        credentials=access.credentials(),
        unix_socket=settings.unix_socket,
    )


def ports(settings: Settings, access: Access, transport: TransportSettings, front: FrontEnd) -> Ports:
    """The ports that the settings ask for, not yet listening."""
    return Ports(GrpcServer(transport, front), _dashboard(settings, access, front, transport.sizes))


def _dashboard(settings: Settings, access: Access, front: FrontEnd, sizes: MessageSizes) -> WebServer | None:
    if settings.dashboard is None:
        return None
    web = WebSettings(
        host=settings.host,
        port=settings.dashboard.port,
        hosts=settings.dashboard.hosts,
        headless=settings.loopback or settings.tokens is not None,
        ssl=access.ssl_context(),
        sizes=sizes,
        page_age=settings.calls.connection_age + settings.calls.connection_grace,
    )
    server = WebServer(web, front)
    if not server.built:
        log.warning("the dashboard has no pages yet: run `nox -s web` in the checkout of the sources")
    return server


def announce(settings: Settings, addresses: Addresses) -> None:
    """Say that requests are answered, and where."""
    address = f"{settings.host}:{addresses.port}"
    log.info("Server started successfully", extra={"address": address})
    log.info("Waiting for incoming connections...")
    if settings.dashboard is not None and addresses.dashboard is not None:
        log.info("Dashboard: %s", addresses.dashboard)
        if settings.dashboard.file is not None:
            settings.dashboard.file.write_text(f"{addresses.dashboard}\n")
    if settings.port_file is not None:
        settings.port_file.write_text(f"{address}\n")
