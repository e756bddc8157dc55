"""A writer inside this server: how a training of our own becomes a run, beside those that come over the network."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Self

from catenary_server.application.telemetry_ingest import superseded
from catenary_server.domain.failure import Failure, Reason

if TYPE_CHECKING:
    from collections.abc import Callable

    from catenary_server.application.telemetry import Telemetry
    from catenary_server.application.telemetry_live import LiveRun
    from catenary_server.domain.telemetry import Command, Registration


class LocalWriter:
    """Writes to a run until it is closed; `LocalWriter.begin` makes one. Used on the event loop only."""

    def __init__(self, telemetry: Telemetry, run: LiveRun, on_command: Callable[[Command], None]) -> None:
        self._runs = telemetry.runs
        self._run = run
        self._on_command = on_command
        self._beating = asyncio.create_task(self._beat())
        self._end: BaseException | None = None

    @classmethod
    async def begin(
        cls, telemetry: Telemetry, principal: str, registration: Registration, on_command: Callable[[Command], None]
    ) -> Self:
        """Register a run and become its writer.

        Args:
            telemetry: the use cases.
            principal: owner of the run.
            registration: id, tags, and the commands that the training obeys.
            on_command: told each command, on the event loop; the training says the result with `say`.

        Raises:
            Failure: as `Registrations.register`.
        """
        registered = await telemetry.registrations.register(principal, registration)
        writer = cls(telemetry, registered.run, on_command)
        registered.run.writer = writer
        return writer

    @property
    def run_id(self) -> str:
        """Id of the run."""
        return self._run.state.run_id

    def say(self, raw: bytes) -> None:
        """Store one encoded message of the training, without sequence; what its status does not allow is left out.

        Raises:
            Failure: STREAM_SUPERSEDED if another writer took over; DISK_FULL, STORAGE_IO.
        """
        if self._end is not None or self._run.writer is not self:
            raise self._end or superseded()
        self._runs.heard(self._run)
        message = self._runs.codec.read(raw)
        if self._runs.refusal(self._run, message) is None:
            self._runs.record(self._run, message, raw)

    async def close(self) -> None:
        """Wait until all is safe, and leave the run."""
        self._beating.cancel()
        if self._run.writer is self:
            with contextlib.suppress(Failure):
                await self._run.until_durable(self._run.state.position)
            self._run.writer = None
            self._runs.writer_left(self._run)

    def command(self, command: Command) -> None:
        """See `RunWriter.command`."""
        self._on_command(command)

    def durable(self, position: int) -> None:
        """See `RunWriter.durable`: nobody waits for it."""

    def end(self, error: BaseException | None) -> None:
        """See `RunWriter.end`. A server that drains still hears its own trainings to their end."""
        if isinstance(error, Failure) and error.reason is Reason.DRAINING:
            return
        self._end = error
        self._beating.cancel()

    async def _beat(self) -> None:
        while True:
            self._runs.heard(self._run)
            await asyncio.sleep(self._runs.limits.heartbeat_interval)
