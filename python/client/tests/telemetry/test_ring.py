from __future__ import annotations

import threading
from collections import deque

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from catenary_client.telemetry.faults import TelemetryOverflow
from catenary_client.telemetry.records import Batch, Scalars
from catenary_client.telemetry.ring import Ring

IMAGE_BYTES = 1000
SMALL_BYTES = 500
SECONDS = 30.0


def batch(size: int, index: int = 0) -> Batch:
    return Batch(
        epoch=1,
        index=index,
        size=1,
        step=index,
        time_ms=0,
        loss=0.0,
        accuracy=0.0,
        predictions=None,
        ground_truth=None,
        tiles=(b"x",),
        image_bytes=size,
        ready=True,
    )


class RingMachine(RuleBasedStateMachine):
    """A ring behaves like two queues with budgets of bytes."""

    def __init__(self) -> None:
        super().__init__()
        self.ring = Ring(IMAGE_BYTES, SMALL_BYTES, patience=0.0)
        self.images: deque[Batch] = deque()
        self.small: deque[tuple[Scalars, int]] = deque()
        self.refused = 0
        self.count = 0

    @rule(size=st.integers(1, 1200))
    def put_images(self, size: int) -> None:
        self.count += 1
        item = batch(size, self.count)
        fits = sum(held.image_bytes for held in self.images) + size <= IMAGE_BYTES
        assert self.ring.put_images(item) is fits
        if fits:
            self.images.append(item)
        else:
            self.refused += 1

    @rule(size=st.integers(1, 600))
    def put_small(self, size: int) -> None:
        self.count += 1
        item = Scalars(self.count, 0, {})
        if sum(held for _, held in self.small) + size <= SMALL_BYTES:
            self.ring.put_small(item, size)
            self.small.append((item, size))
        else:
            with pytest.raises(TelemetryOverflow):
                self.ring.put_small(item, size)

    @rule()
    def take_image(self) -> None:
        assert self.ring.take_image() is (self.images.popleft() if self.images else None)

    @rule()
    def take_small(self) -> None:
        assert self.ring.take_small() is (self.small.popleft()[0] if self.small else None)

    @invariant()
    def counts_are_right(self) -> None:
        assert self.ring.image_bytes == sum(held.image_bytes for held in self.images) <= IMAGE_BYTES
        assert self.ring.small_bytes == sum(size for _, size in self.small) <= SMALL_BYTES
        assert self.ring.image_count == len(self.images)
        assert self.ring.small_count == len(self.small)
        assert self.ring.refused_images == self.refused
        assert self.ring.image_at(0) is (self.images[0] if self.images else None)
        assert self.ring.peek_small() is (self.small[0][0] if self.small else None)


TestRing = RingMachine.TestCase


def test_a_blocking_ring_waits_for_room_and_keeps_the_order() -> None:
    ring = Ring(100, 100, block=True)
    taken: list[int] = []

    def take() -> None:
        while len(taken) < 200:
            item = ring.take_image()
            if item is not None:
                taken.append(item.index)

    thread = threading.Thread(target=take)
    thread.start()
    assert all(ring.put_images(batch(60, index)) for index in range(200))
    thread.join(SECONDS)
    assert taken == list(range(200))


def test_a_batch_larger_than_the_whole_ring_is_refused_even_when_blocking() -> None:
    assert not Ring(100, 100, block=True).put_images(batch(101))


def test_closing_lets_go_of_whoever_waits_for_room() -> None:
    ring = Ring(100, 100, block=True)
    assert ring.put_images(batch(100))
    results: list[bool] = []
    thread = threading.Thread(target=lambda: results.append(ring.put_images(batch(1))))
    thread.start()
    ring.close()
    thread.join(SECONDS)
    assert results == [False]


def test_a_sleeping_reader_wakes_when_something_is_put() -> None:
    ring = Ring(100, 100)
    awake = threading.Event()

    def sleep() -> None:
        while not ring.small_count:
            ring.sleep(SECONDS)
        awake.set()

    threading.Thread(target=sleep, daemon=True).start()
    ring.put_small(Scalars(1, 0, {}), 1)
    assert awake.wait(SECONDS)
