"""The memory between the training thread and the threads that send: two lanes, bounded in bytes."""

from __future__ import annotations

import threading
import time
from collections import deque
from typing import TYPE_CHECKING

from catenary_client.telemetry.faults import TelemetryOverflow

if TYPE_CHECKING:
    from catenary_client.telemetry.records import Batch, Small

_WAIT_SECONDS = 0.05
_BATCH_BYTES = 1024
"""What a batch without images takes, by estimate."""


class _Meter:
    """Bytes in a lane. Each side counts up alone, so that neither needs the other's lock."""

    __slots__ = ("capacity", "put", "taken")

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.put = 0
        self.taken = 0

    @property
    def used(self) -> int:
        return self.put - self.taken


class Ring:
    """Two lanes: batches with images, and everything else, which travels ahead of them.

    Any thread may put; one thread at a time may take. Putting costs an append and an addition; it wakes the taking
    side only after that went to sleep.

    Args:
        image_bytes: bound of the images in the ring.
        small_bytes: bound of the rest.
        block: whether putting waits for room instead of being refused.
        patience: seconds that putting anything but images waits in any case while nothing at all is taken: it is never
            dropped, and whoever takes may only be behind.
    """

    def __init__(self, image_bytes: int, small_bytes: int, *, block: bool = False, patience: float = 5.0) -> None:
        self.refused_images = 0
        """Batches with images that found no room."""
        self._images: deque[Batch] = deque()
        self._small: deque[tuple[Small, int]] = deque()
        self._image_meter = _Meter(image_bytes)
        self._small_meter = _Meter(small_bytes)
        self.block = block
        self._patience = patience
        self._putting = threading.Lock()
        self._room = threading.Event()
        self._wake = threading.Event()
        self._asleep = False
        self._closed = False

    @property
    def image_bytes(self) -> int:
        """Bytes of the images that wait."""
        return self._image_meter.used

    @property
    def small_bytes(self) -> int:
        """Bytes of the rest that waits, by estimate."""
        return self._small_meter.used

    @property
    def image_count(self) -> int:
        """Batches with images that wait."""
        return len(self._images)

    @property
    def small_count(self) -> int:
        """Other records that wait."""
        return len(self._small)

    def put_without_images(self, batch: Batch) -> None:
        """Add a batch that has no images, or for whose images there is no room.

        Raises:
            TelemetryOverflow: if there is not even room for the rest of it.
        """
        batch.without_images()
        self.put_small(batch, _BATCH_BYTES)

    def put_images(self, batch: Batch) -> bool:
        """Add a batch with images.

        Returns:
            Whether it was taken; False when there is no room, or never will be.
        """
        meter = self._image_meter
        with self._putting:
            if meter.put - meter.taken + batch.image_bytes > meter.capacity and not self._wait(
                meter, batch.image_bytes, 0.0
            ):
                self.refused_images += 1
                return False
            meter.put += batch.image_bytes
            self._images.append(batch)
        if self._asleep:
            self._wake.set()
        return True

    def put_small(self, item: Small, size: int) -> None:
        """Add anything else.

        Args:
            item: what is never dropped.
            size: bytes that it will take, by estimate.

        Raises:
            TelemetryOverflow: if there is no room; nothing that may not be dropped is dropped silently.
        """
        meter = self._small_meter
        with self._putting:
            if meter.put - meter.taken + size > meter.capacity and not self._wait(meter, size, self._patience):
                raise TelemetryOverflow(
                    f"{meter.used} bytes of scalars and events wait: the server is away and the spill is full or "
                    "cannot be written; make room in the spill, or log less"
                )
            meter.put += size
            self._small.append((item, size))
        if self._asleep:
            self._wake.set()

    def image_at(self, place: int) -> Batch | None:
        """The batch at a place from the oldest on; None beyond the end."""
        return self._images[place] if place < len(self._images) else None

    def take_image(self) -> Batch | None:
        """Remove the oldest batch with images; its `image_bytes` are free from now on."""
        if not self._images:
            return None
        batch = self._images.popleft()
        self._image_meter.taken += batch.image_bytes
        if self.block:
            self._room.set()
        return batch

    def take_small(self) -> Small | None:
        """Remove the oldest of the rest."""
        if not self._small:
            return None
        item, size = self._small.popleft()
        self._small_meter.taken += size
        self._room.set()
        return item

    def peek_small(self) -> Small | None:
        """The oldest of the rest, which stays."""
        return self._small[0][0] if self._small else None

    def sleep(self, seconds: float) -> None:
        """Wait, as the taking side, until something is put or the time is over."""
        self._asleep = True
        if not self._images and not self._small and not self._closed:
            self._wake.wait(seconds)
        self._asleep = False
        self._wake.clear()

    def close(self) -> None:
        """Let whoever waits go; a full ring refuses from now on."""
        self._closed = True
        self._wake.set()
        self._room.set()

    def _wait(self, meter: _Meter, size: int, patience: float) -> bool:
        """Wait for room as long as that is wanted and can help."""
        taken, since = meter.taken, time.monotonic()
        while meter.put - meter.taken + size > meter.capacity:
            if meter.taken != taken:
                taken, since = meter.taken, time.monotonic()
            waited = time.monotonic() - since
            if self._closed or size > meter.capacity or (waited >= patience and not self.block):
                return False
            self._room.clear()
            if meter.put - meter.taken + size > meter.capacity:
                self._room.wait(_WAIT_SECONDS)
        return True
