"""Telemetry as a whole: the use cases over one store, started and stopped together."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
from typing import TYPE_CHECKING, Self

from catenary_server.application.telemetry_commands import Commands
from catenary_server.application.telemetry_ingest import Ingest
from catenary_server.application.telemetry_registrations import Registrations
from catenary_server.application.telemetry_runs import TelemetryRuns
from catenary_server.application.telemetry_tokens import Tokens
from catenary_server.application.telemetry_upkeep import Retention, Upkeep
from catenary_server.application.telemetry_watch import Watches
from catenary_server.domain.failure import Failure, Reason

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from catenary_server.domain.telemetry import TelemetryLimits
    from catenary_server.domain.telemetry_message import MessageCodec
    from catenary_server.domain.telemetry_store import TelemetryStore


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Telemetry:
    """The use cases of telemetry."""

    runs: TelemetryRuns
    registrations: Registrations
    ingest: Ingest
    watches: Watches
    commands: Commands
    upkeep: Upkeep

    @classmethod
    async def start(
        cls, store: TelemetryStore, codec: MessageCodec, limits: TelemetryLimits, retention: Retention
    ) -> Self:
        """Open the store and read what is in it.

        Raises:
            Failure: STATE_INVALID if another server uses the store; STORAGE_IO.
        """
        found = await store.start()
        runs = TelemetryRuns(store=store, codec=codec, limits=limits)
        upkeep = Upkeep(runs, retention)
        await upkeep.load(found)
        return cls(
            runs=runs,
            registrations=Registrations(runs, Tokens(store.secret)),
            ingest=Ingest(runs),
            watches=Watches(upkeep, codec),
            commands=Commands(runs, upkeep),
            upkeep=upkeep,
        )

    def drain(self) -> None:
        """End every stream, as the server is about to stop: what is not acknowledged will be sent to the next one."""
        failure = Failure(Reason.DRAINING, "the server is shutting down; register again and go on", retry_after=1.0)
        self.ingest.end(failure)
        self.watches.end(failure)

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Keep the store in order meanwhile, and close it at the end."""
        keeping = asyncio.create_task(self.upkeep.run())
        try:
            yield
        finally:
            keeping.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await keeping
            await self.upkeep.close()
            await self.runs.store.close()
