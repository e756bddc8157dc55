"""Composition of telemetry: the store on the disk under the use cases under the transport. Needs no torch."""

from __future__ import annotations

import contextlib
import logging
from typing import TYPE_CHECKING

from catenary_server import serving
from catenary_server.application.discovery import TelemetryAlone
from catenary_server.application.telemetry import Telemetry
from catenary_server.settings import SettingsError, TelemetrySettings
from catenary_server.storage.telemetry.store import LocalTelemetryStore
from catenary_server.transport.codec.telemetry_message import TelemetryCodec
from catenary_server.transport.front_end import build_telemetry_front_end
from catenary_server.transport.interceptors.rules import FieldRules
from catenary_server.transport.services import TelemetryParts

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from catenary_server.access import Access
    from catenary_server.settings import Settings

__all__ = ["TelemetrySettings", "run", "telemetry_parts"]

log = logging.getLogger(__name__)


def run(settings: Settings, access: Access) -> int:
    """Serve telemetry alone until SIGTERM or SIGINT, then drain; a second signal ends at once. Returns the exit code.

    Raises:
        SettingsError: no folder is named.
    """
    if settings.telemetry is None:
        message = "a server of telemetry needs a folder for it"
        raise SettingsError(message)
    return serving.run(_serve(settings, settings.telemetry, access))


async def _serve(settings: Settings, telemetry: TelemetrySettings, access: Access) -> None:
    stop = serving.stop_signal(settings, access)
    async with telemetry_parts(telemetry) as parts:
        transport = serving.transport_settings(settings, access)
        front = build_telemetry_front_end(transport, parts, access.authenticator, TelemetryAlone())
        server = serving.ports(settings, access, transport, front)
        serving.announce(settings, await server.start())
        await stop.wait()
        log.info("Stopping: no new calls, %g seconds for those under way", settings.grace)
        await server.begin_drain()
        parts.telemetry.drain()
        await server.drain(settings.grace)
    log.info("Server stopped")


@contextlib.asynccontextmanager
async def telemetry_parts(settings: TelemetrySettings) -> AsyncIterator[TelemetryParts]:
    """Telemetry, ready to be served, as long as the context lasts; use it on the loop that serves.

    Raises:
        Failure: STATE_INVALID if another server uses the folder; STORAGE_IO.
    """
    codec = TelemetryCodec(FieldRules(), settings.limits)
    store = LocalTelemetryStore(settings.folder, commit_interval=settings.commit_interval)
    telemetry = await Telemetry.start(store, codec, settings.limits, settings.retention)
    async with telemetry.running():
        yield TelemetryParts(telemetry, codec)
