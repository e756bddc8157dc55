"""A training run as a thing of its own: it outlives the stream that started it, and any number may watch it."""

from __future__ import annotations

import asyncio
import collections
import dataclasses
import secrets
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from catenary_server.domain.failure import Failure
    from catenary_server.domain.progress import Progress
    from catenary_server.domain.training import Phase

KEPT_EVENTS = 16_384
"""Events kept for those who watch late or slowly; with 60 a second, the last four minutes."""


@dataclasses.dataclass(frozen=True, slots=True)
class RunEvent:
    """One event for one watcher; `dropped` counts the events before it that were no longer kept."""

    progress: Progress
    dropped: int = 0


class Run:
    """One phase of training: its events in order, ending in exactly one final event, or in a failure to start."""

    def __init__(self, phase: Phase, request_id: str) -> None:
        self.run_id = secrets.token_urlsafe(12)
        self.phase = phase
        self.request_id = request_id
        self.start_failure: Failure | None = None
        self._events: collections.deque[Progress] = collections.deque(maxlen=KEPT_EVENTS)
        self._sequence = 0
        self._news = asyncio.Condition()

    @property
    def latest(self) -> Progress | None:
        """The newest event; None before the first."""
        return self._events[-1] if self._events else None

    @property
    def finished(self) -> bool:
        """True once the final event is there or the run failed to start."""
        return self.start_failure is not None or (self.latest is not None and self.latest.status.final)

    async def publish(self, progress: Progress) -> None:
        """Number an event and hand it to everyone who watches."""
        async with self._news:
            self._sequence += 1
            numbered = dataclasses.replace(
                progress,
                run_id=self.run_id,
                phase=self.phase,
                sequence=self._sequence,
                time=progress.time or time.time(),
            )
            self._events.append(numbered)
            self._news.notify_all()

    async def fail_to_start(self, failure: Failure) -> None:
        """End a run that has no event: whoever waits for one gets the failure as a status."""
        async with self._news:
            self.start_failure = failure
            self._news.notify_all()

    async def events(self, after_sequence: int = 0) -> AsyncIterator[RunEvent]:
        """Every event after a sequence number, once and in order, up to the final one.

        Raises:
            Failure: why the run never started.
        """
        seen = after_sequence
        while True:
            async with self._news:
                await self._news.wait_for(lambda: self._sequence > seen or self.finished)  # noqa: B023 - used at once
                fresh = [event for event in self._events if event.sequence > seen]
            if self.start_failure is not None:
                raise self.start_failure
            for event in fresh:
                yield RunEvent(event, dropped=event.sequence - seen - 1)
                seen = event.sequence
            if self.finished and (self.latest is None or self.latest.sequence <= seen):
                return

    async def ended(self) -> None:
        """Wait until the final event is there."""
        async with self._news:
            await self._news.wait_for(lambda: self.finished)
