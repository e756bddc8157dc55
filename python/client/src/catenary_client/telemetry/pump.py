"""Works behind the training thread: encodes images, moves to the disk what memory has no room for, measures load."""

from __future__ import annotations

import logging
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final

from catenary_client.telemetry.events import performance_event
from catenary_client.telemetry.load import LoadMeter

if TYPE_CHECKING:
    from collections.abc import Callable

    from catenary.telemetry.v1 import telemetry_pb2
    from catenary_client.telemetry.link import Link
    from catenary_client.telemetry.messages import MessageBuilder
    from catenary_client.telemetry.outbox import Outbox
    from catenary_client.telemetry.records import Batch
    from catenary_client.telemetry.ring import Ring

_LOG = logging.getLogger(__name__)
_ENCODERS: Final = 2
_LOOKAHEAD: Final = 16
_ACTIVE_SECONDS: Final = 1.0
"""How long after the last record it looks again and again, so that logging need not wake it."""
_IDLE_SECONDS: Final = 1.0


class Pump(threading.Thread):
    """Looks every few milliseconds what the training thread logged.

    Args:
        interval: seconds between two looks, in which scalars gather.
        now_ms: the trainer's clock, milliseconds since the Unix epoch.
    """

    def __init__(
        self,
        ring: Ring,
        outbox: Outbox,
        link: Link,
        builder: MessageBuilder,
        *,
        interval: float,
        now_ms: Callable[[], int],
    ) -> None:
        super().__init__(name="telemetry-pump", daemon=True)
        self.figures: telemetry_pb2.PerformanceData | None = None
        """The newest figures of speed, from the training thread."""
        self._ring = ring
        self._outbox = outbox
        self._link = link
        self._builder = builder
        self._interval = interval
        self._now_ms = now_ms
        self._load: LoadMeter | None = None
        self._telling = threading.Lock()
        self._stopping = threading.Event()
        self._encoders = ThreadPoolExecutor(_ENCODERS, thread_name_prefix="telemetry-encode")

    def run(self) -> None:
        """Look, and look again."""
        with self._telling:
            self._load = LoadMeter()
        active_until = 0.0
        while not self._stopping.is_set():
            now = time.monotonic()
            if self._ring.small_count or self._ring.image_count:
                active_until = now + _ACTIVE_SECONDS
            self._work()
            if now < active_until:
                self._stopping.wait(self._interval)
            else:
                self._ring.sleep(_IDLE_SECONDS)
        self._encoders.shutdown()

    def stop(self) -> None:
        """End the thread once what is being encoded is done."""
        self._stopping.set()
        self._ring.close()
        self.join()

    def tell_figures(self) -> None:
        """Have the newest figures sent that are not on their way yet, with the load of the machine."""
        with self._telling:
            figures, self.figures = self.figures, None
            if figures is None:
                return
            figures.timestamp_ms = self._now_ms()
            usage = None if self._load is None else self._load.read()
            if usage is not None:
                figures.resource_usage.CopyFrom(usage)
            self._outbox.replace_performance(performance_event(figures))

    def _work(self) -> None:
        for batch in self._outbox.work(_LOOKAHEAD):
            self._encoders.submit(self._encode, batch)
        self.tell_figures()
        self._link.check()

    def _encode(self, batch: Batch) -> None:
        try:
            tiles = tuple(tile if isinstance(tile, bytes) else self._builder.encode(tile) for tile in batch.tiles)
        except (OSError, ValueError, TypeError):
            _LOG.exception("the images of batch %d cannot be encoded and are left out", batch.index)
            tiles = ()
        batch.tiles = tiles
        batch.ready = True
        self._outbox.wake()
