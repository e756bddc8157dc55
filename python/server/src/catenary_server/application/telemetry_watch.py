"""Viewers of a run. Each has a place in the run's log and reads on from there, at its own speed.

Nothing is queued for a viewer: one that is slow finds more in the log when it looks again, and gets the images of the
newest batch alone. So it slows neither the training nor other viewers, and misses nothing but images and old figures.
"""

from __future__ import annotations

import asyncio
import dataclasses
import json
import time
from typing import TYPE_CHECKING, Final, TypeAlias

from catenary_server.domain.telemetry import PayloadClass
from catenary_server.domain.telemetry_message import Kind
from catenary_server.domain.telemetry_run import decode_command

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Sequence

    from catenary_server.application.telemetry_live import LiveRun
    from catenary_server.application.telemetry_upkeep import Upkeep
    from catenary_server.domain.failure import Failure
    from catenary_server.domain.telemetry import Command, Series
    from catenary_server.domain.telemetry_message import MessageCodec
    from catenary_server.domain.telemetry_run import Entry

PAGE_BYTES: Final = 2 << 20
SNAPSHOT_POINTS: Final = 1000
MOST_SNAPSHOT_POINTS: Final = 150_000
"""Points of all metrics together: some megabytes."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """What a viewer wants to see. No classes means all; no sequence means only what happens from now on."""

    after_sequence: int | None = None
    classes: frozenset[PayloadClass] = frozenset()
    snapshot_points: int = SNAPSHOT_POINTS
    image_interval: float = 0.0
    """Least seconds between two batches with images."""

    def wants(self, payload_class: PayloadClass) -> bool:
        """Whether telemetry of a class is asked for; events always are."""
        return payload_class is PayloadClass.EVENT or not self.classes or payload_class in self.classes


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """The run as it is. The messages are those of the training, None before the first of their kind."""

    run: LiveRun
    series: Sequence[Series]
    latest_batch: bytes | None
    latest_epoch: bytes | None
    latest_performance: bytes | None
    open_commands: Sequence[Command]


@dataclasses.dataclass(frozen=True, slots=True)
class Said:
    """A message of the training."""

    raw: bytes


@dataclasses.dataclass(frozen=True, slots=True)
class RunChanged:
    """The run changed other than by what the training said; as it is now."""

    run: LiveRun


@dataclasses.dataclass(frozen=True, slots=True)
class RunEnded:
    """The training ended."""

    run: LiveRun


Event: TypeAlias = "Snapshot | Said | Command | RunChanged | RunEnded"


@dataclasses.dataclass(frozen=True, slots=True)
class Seen:
    """One message to a viewer: its position, the event, and what was left out so far if that grew."""

    position: int
    event: Event
    dropped: dict[PayloadClass, int] = dataclasses.field(default_factory=dict)


class Watches:
    """Starts watches."""

    def __init__(self, upkeep: Upkeep, codec: MessageCodec) -> None:
        self._upkeep = upkeep
        self._codec = codec
        self._moved: set[asyncio.Event] = set()
        self._end: Failure | None = None

    def end(self, failure: Failure) -> None:
        """End every watch."""
        self._end = failure
        for moved in self._moved:
            moved.set()

    async def watch(self, run: LiveRun, view: View) -> AsyncGenerator[Seen, None]:
        """A snapshot of a run, then its events, to its end.

        Raises:
            Failure: STREAM_SUPERSEDED if the run is deleted meanwhile; STORAGE_IO, ARTIFACT_CORRUPT.
        """
        moved = asyncio.Event()
        run.watchers.add(moved)
        self._moved.add(moved)
        try:
            viewer = _Viewer(run, view, self._codec)
            yield Seen(viewer.position, await self._snapshot(run, view))
            while True:
                moved.clear()
                ended = run.state.ended and run.written >= run.state.position
                seen_all = True
                entries = await run.read(viewer.position, most_bytes=PAGE_BYTES)
                viewer.look()
                for entry in entries:
                    seen_all = False
                    seen = viewer.see(entry)
                    if seen is not None:
                        yield seen
                if ended and seen_all:
                    yield viewer.end()
                    return
                if seen_all:
                    await self._wait(run, moved)
        finally:
            run.watchers.discard(moved)
            self._moved.discard(moved)

    async def _wait(self, run: LiveRun, moved: asyncio.Event) -> None:
        failure = self._end or run.failure
        if failure is not None:
            raise failure
        await moved.wait()

    async def _snapshot(self, run: LiveRun, view: View) -> Snapshot:
        names = sorted(run.state.metric_names) if view.snapshot_points else []
        points = max(1, min(view.snapshot_points, MOST_SNAPSHOT_POINTS // max(len(names), 1)))
        series = await self._upkeep.series(run, names, (None, None), points)
        wanted = view.wants
        return Snapshot(
            run=run,
            series=series if wanted(PayloadClass.SCALAR) else [],
            latest_batch=await self._latest(run, Kind.IMAGE_BATCH) if wanted(PayloadClass.IMAGE_BATCH) else None,
            latest_epoch=await self._latest(run, Kind.EPOCH),
            latest_performance=await self._latest(run, Kind.PERFORMANCE) if wanted(PayloadClass.PERFORMANCE) else None,
            open_commands=list(run.state.open_commands.values()),
        )

    async def _latest(self, run: LiveRun, kind: Kind) -> bytes | None:
        entry = await run.latest(kind)
        if entry is None:
            return None
        return whole(run, entry.payload, self._codec) if kind is Kind.IMAGE_BATCH else entry.payload


class _Viewer:
    """One viewer's place, and what it was spared."""

    def __init__(
        self, run: LiveRun, view: View, codec: MessageCodec, clock: Callable[[], float] = time.monotonic
    ) -> None:
        end = run.written
        self.position = end if view.after_sequence is None else min(view.after_sequence, end)
        self._run = run
        self._view = view
        self._codec = codec
        self._clock = clock
        self._dropped: dict[PayloadClass, int] = {}
        self._told: dict[PayloadClass, int] = {}
        self._next_images = -1e9
        self._newest: dict[Kind, int] = {}

    def look(self) -> None:
        """Note what is newest now: it stays so for all that was read, or a busy run would always be ahead."""
        self._newest = dict(self._run.newest)

    def see(self, entry: Entry) -> Seen | None:
        """What the viewer gets of an entry; None if it gets nothing."""
        self.position = entry.position
        if entry.kind.said_by_training:
            raw = self._told_of(entry)
            return None if raw is None else self._seen(Said(raw))
        match entry.kind:
            case Kind.COMMAND:
                return self._seen(_command(entry))
            case Kind.REGISTERED | Kind.WRITER_CHANGED if not self._is_over(entry):
                return self._seen(RunChanged(self._run))
            case _:
                return None

    def end(self) -> Seen:
        """The last message."""
        return self._seen(RunEnded(self._run))

    def _is_over(self, entry: Entry) -> bool:
        """Whether an entry came behind the end of the training, which is the last that viewers are told."""
        end = self._run.state.end_position
        return end is not None and entry.position > end

    def _told_of(self, entry: Entry) -> bytes | None:
        """A message of the training as this viewer gets it."""
        if entry.kind is Kind.IMAGE_BATCH:
            return self._batch(entry)
        if entry.kind is Kind.PERFORMANCE and self._view.wants(PayloadClass.PERFORMANCE):
            if self._newest.get(Kind.PERFORMANCE) != entry.position:
                self._drop(PayloadClass.PERFORMANCE)
                return None
            return entry.payload
        return entry.payload if self._view.wants(entry.kind.payload_class) else None

    def _batch(self, entry: Entry) -> bytes | None:
        """A batch with its images if it is the newest and time for one; else with what remains of it."""
        if self._view.wants(PayloadClass.IMAGE_BATCH):
            now = self._clock()
            if self._newest.get(Kind.IMAGE_BATCH) == entry.position and now >= self._next_images:
                self._next_images = now + self._view.image_interval
                return whole(self._run, entry.payload, self._codec)
            self._drop(PayloadClass.IMAGE_BATCH)
            return self._codec.without_images(entry.payload)
        return self._codec.without_images(entry.payload) if self._view.wants(PayloadClass.SCALAR) else None

    def _drop(self, payload_class: PayloadClass) -> None:
        self._dropped[payload_class] = self._dropped.get(payload_class, 0) + 1

    def _seen(self, event: Event) -> Seen:
        grown = {} if self._dropped == self._told else dict(self._dropped)
        self._told = dict(self._dropped)
        return Seen(self.position, event, grown)


def whole(run: LiveRun, raw: bytes, codec: MessageCodec) -> bytes:
    """A batch with the images in it that it only names, as far as they are still known."""
    named = codec.named_images(raw)
    known = {index: image for index, digest in named.items() if (image := run.image(digest)) is not None}
    return codec.with_images(raw, known) if known else raw


def _command(entry: Entry) -> Command:
    return decode_command(json.loads(entry.payload))
