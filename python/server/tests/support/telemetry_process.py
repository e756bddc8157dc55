"""A server of telemetry alone in a process of its own: prints its address, and serves until it is killed."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from catenary_server.application.discovery import TelemetryAlone
from catenary_server.telemetry_wiring import TelemetrySettings, telemetry_parts
from catenary_server.transport.interceptors.authentication import AnonymousAuthenticator
from catenary_server.transport.server import build_telemetry_server
from catenary_server.transport.settings import TransportSettings


async def main() -> None:
    settings = TelemetrySettings(folder=Path(sys.argv[1]), commit_interval=0.02)
    async with telemetry_parts(settings) as parts:
        server = build_telemetry_server(TransportSettings(), parts, AnonymousAuthenticator(), TelemetryAlone())
        sys.stdout.write(f"127.0.0.1:{await server.start()}\n")
        sys.stdout.flush()
        await server.wait_closed()


asyncio.run(main())
