"""What waits to be sent, when the disk below it is full or fails."""

from __future__ import annotations

import contextlib
import resource
from typing import TYPE_CHECKING

import pytest

from catenary_client.telemetry.backlog import Backlog, Terms
from catenary_client.telemetry.messages import MessageBuilder
from catenary_client.telemetry.records import Batch, Event, Kind
from catenary_client.telemetry.ring import Ring
from catenary_client.telemetry.spill import Spill

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NUMBERED = Terms(writer_epoch=1)
MANY = 1 << 30
JPEG = b"\xff\xd8\xff\xc0\x00\x11\x08\x00\x10\x00\x10\x03"


@contextlib.contextmanager
def full_disk(largest_file: int = 0) -> Iterator[None]:
    """No file of this process grows beyond so many bytes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (largest_file, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.fixture
def ring() -> Ring:
    return Ring(MANY, MANY)


@pytest.fixture
def spill(tmp_path: Path) -> Iterator[Spill]:
    opened = Spill(tmp_path / "run", image_bytes=16384, small_bytes=MANY, segment_bytes=4096)
    yield opened
    opened.close()


@pytest.fixture
def backlog(ring: Ring, spill: Spill) -> Backlog:
    return Backlog(ring, MessageBuilder("run"), spill)


def event(text: bytes) -> Event:
    return Event(Kind.EVENT, text)


def batch(step: int) -> Batch:
    return Batch(
        epoch=1,
        index=step,
        size=1,
        step=step,
        time_ms=0,
        loss=0.0,
        accuracy=0.0,
        predictions=None,
        ground_truth=None,
        tiles=(JPEG + bytes(500),),
        image_bytes=512,
        ready=True,
    )


def sent(backlog: Backlog, first_sequence: int = 1) -> list[bytes]:
    """Everything small that is sent from now on, as the outbox does it."""
    found: list[bytes] = []
    while (message := backlog.next_small(NUMBERED)) is not None:
        if message.small_number:
            backlog.note_sent(first_sequence + len(found))
        found.append(b"".join(message.message.parts)[-1:])
    return found


def test_what_was_put_aside_is_sent_although_the_disk_is_full_now(ring: Ring, backlog: Backlog) -> None:
    for text in (b"a", b"b", b"c"):
        ring.put_small(event(text), 1)
    backlog.relieve(image_goal=0, small_goal=0)
    assert ring.small_count == 0
    with full_disk():
        ring.put_small(event(b"d"), 1)
        backlog.relieve(image_goal=0, small_goal=0)
        assert ring.small_count + backlog.waits == 1
        assert sent(backlog) == [b"a", b"b", b"c", b"d"]
    assert backlog.abandoned == 0


def test_how_far_it_was_sent_is_noted_once_there_is_room(ring: Ring, tmp_path: Path) -> None:
    spill = Spill(tmp_path / "run", image_bytes=16384, small_bytes=MANY, segment_bytes=4096)
    backlog = Backlog(ring, MessageBuilder("run"), spill)
    for text in (b"a", b"b"):
        ring.put_small(event(text), 1)
    backlog.relieve(image_goal=0, small_goal=0)
    with full_disk():
        assert sent(backlog, first_sequence=7) == [b"a", b"b"]
    backlog.relieve(image_goal=0, small_goal=0)
    spill.close()
    later = Spill(spill.folder, image_bytes=16384, small_bytes=MANY, segment_bytes=4096)
    later.resume(9)
    assert later.take_small() is None
    later.delete()


def test_images_are_counted_whether_the_disk_has_room_for_the_count_or_not(
    ring: Ring, backlog: Backlog, spill: Spill
) -> None:
    for step in range(60):
        ring.put_images(batch(step))
    backlog.relieve(image_goal=0, small_goal=MANY)
    assert ring.image_count == 0
    on_disk = backlog.dropped_images
    assert on_disk > 0
    with full_disk(1 << 12):  # the images have a file with room left, their thinning and its count may have none
        for step in range(60, 90):
            ring.put_images(batch(step))
        backlog.relieve(image_goal=0, small_goal=MANY)
    gaps, whole = 0, 0
    while (found := backlog.next_small(NUMBERED)) is not None:
        gaps += found.message.count
    while (found := backlog.next_images(NUMBERED)) is not None:
        whole += found.message.kind is Kind.IMAGES
    assert gaps == backlog.dropped_images
    assert whole + gaps == 90


def test_a_disk_that_fails_takes_what_was_on_it_and_says_so(
    ring: Ring, backlog: Backlog, spill: Spill, caplog: pytest.LogCaptureFixture
) -> None:
    for text in (b"a", b"b"):
        ring.put_small(event(text), 1)
    ring.put_images(batch(1))
    backlog.relieve(image_goal=0, small_goal=0)
    for path in spill.folder.glob("small/*/*.seg"):
        damaged = bytearray(path.read_bytes())
        damaged[-1] ^= 1
        path.write_bytes(damaged)
    found = []
    while (message := backlog.next_small(NUMBERED)) is not None:
        found.append((message.message.kind, message.message.count))
    assert found == [(Kind.EVENT, 0), (Kind.GAP, 1)]
    assert backlog.abandoned == 1
    assert backlog.dropped_images == 1
    assert "cannot be used any more" in caplog.text
    ring.put_small(event(b"c"), 1)
    assert sent(backlog) == [b"c"]
