"""A training run as a thing of its own: it outlives the stream that started it, and any number may watch it."""

from __future__ import annotations

import asyncio
import collections
import contextlib
import dataclasses
import secrets
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterator

    from catenary_server.domain.failure import Failure
    from catenary_server.domain.progress import Progress
    from catenary_server.domain.training import Phase, Stage

KEPT_EVENTS = 16_384
"""Events kept for those who watch late or slowly, beside the first; with 60 a second, the last four minutes."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class TrainRequest:
    """What a client asks of Train; empty bytes leave the session's configuration as it is."""

    phase: Phase
    data: bytes = b""
    training: bytes = b""
    request_id: str = ""
    cancel_on_disconnect: bool = False


@dataclasses.dataclass(frozen=True, slots=True)
class RunEvent:
    """One event for one watcher; `dropped` counts the events before it that were no longer kept."""

    progress: Progress
    dropped: int = 0


class Run:
    """One phase of training, or one evaluation: its events in order, the last of them final, or a failure to start.

    Args:
        request: what a phase was asked for with; None for an evaluation.

    Attributes:
        announced: clear while telemetry is about to learn of the run; who follows it is told nothing before.
    """

    def __init__(self, request: TrainRequest | None = None) -> None:
        self.announced = asyncio.Event()
        self.announced.set()
        self.run_id = secrets.token_urlsafe(18).lstrip("-_")  # never an option of a command line
        self.request = request
        self.start_failure: Failure | None = None
        self._first: Progress | None = None
        self._events: collections.deque[Progress] = collections.deque(maxlen=KEPT_EVENTS)
        self._sequence = 0
        self._news = asyncio.Condition()
        self._followers = 0

    @property
    def phase(self) -> Phase | None:
        """The phase that is trained; None in an evaluation."""
        return None if self.request is None else self.request.phase

    @property
    def latest(self) -> Progress | None:
        """The newest event; None before the first."""
        return self._events[-1] if self._events else None

    def latest_of(self, stage: Stage) -> Progress | None:
        """The newest event of a stage that is kept."""
        return next((event for event in reversed(self._events) if event.stage is stage), None)

    @property
    def finished(self) -> bool:
        """True once the final event is there or the run failed to start."""
        return self.start_failure is not None or (self.latest is not None and self.latest.status.final)

    @property
    def abandoned(self) -> bool:
        """True if the run is to end because nobody follows it any more."""
        wanted = self.request is None or self.request.cancel_on_disconnect
        return wanted and self._followers == 0 and not self.finished

    @contextlib.contextmanager
    def followed(self) -> Iterator[None]:
        """Count one who started the run or joined it; mere watchers do not count."""
        self._followers += 1
        try:
            yield
        finally:
            self._followers -= 1

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
            self._first = self._first or numbered
            self._events.append(numbered)
            self._news.notify_all()

    async def fail_to_start(self, failure: Failure) -> None:
        """End a run that has no event: whoever waits for one gets the failure as a status."""
        async with self._news:
            self.start_failure = failure
            self._news.notify_all()

    async def begun(self) -> Progress:
        """The newest event, waiting for the first.

        Raises:
            Failure: why the run never started.
        """
        async with self._news:
            await self._news.wait_for(lambda: self._events or self.start_failure)
        if self.start_failure is not None:
            raise self.start_failure
        return self._events[-1]

    async def events(self, after_sequence: int = 0) -> AsyncGenerator[RunEvent, None]:
        """Every event after a sequence number, once and in order, up to the final one.

        Raises:
            Failure: why the run never started.
        """
        seen = after_sequence
        while True:
            async with self._news:
                await self._news.wait_for(lambda: self._sequence > seen or self.finished)  # noqa: B023 - used at once
                fresh = self._after(seen)
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

    def _after(self, seen: int) -> list[Progress]:
        """The kept events behind `seen`; taken from the end, since a watcher who keeps up wants only the last."""
        wanted = self._sequence - seen
        kept = min(wanted, len(self._events))
        fresh = [self._events[index] for index in range(-kept, 0)]
        if seen == 0 and wanted > kept and self._first is not None:
            fresh.insert(0, self._first)
        return fresh
