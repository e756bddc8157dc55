from __future__ import annotations

import asyncio
import errno
import os
from typing import TYPE_CHECKING

import pytest

from catenary_server.domain.failure import Failure, Reason
from catenary_server.domain.telemetry_message import Kind
from catenary_server.domain.telemetry_run import Entry
from catenary_server.domain.telemetry_store import IndexChange
from catenary_server.storage.telemetry.store import LocalTelemetryStore

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

DEADLINE = 20.0


class Watcher:
    """Remembers what a log tells."""

    def __init__(self) -> None:
        self.written = self.durable = 0
        self.is_followed = True
        self.failure: Failure | None = None
        self._changed = asyncio.Event()

    def on_written(self, position: int) -> None:
        self.written = position
        self._changed.set()

    def on_durable(self, position: int) -> None:
        self.durable = position
        self._changed.set()

    def on_failed(self, failure: Failure) -> None:
        self.failure = failure
        self._changed.set()

    async def until(self, reached: Callable[[], bool]) -> None:
        async with asyncio.timeout(DEADLINE):
            while not reached():
                self._changed.clear()
                await self._changed.wait()


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[LocalTelemetryStore]:
    store = LocalTelemetryStore(tmp_path, commit_interval=0.01, segment_bytes=500)
    await store.start()
    yield store
    await store.close()


def entry(position: int, payload: bytes = b"x" * 80) -> Entry:
    return Entry(position, Kind.BATCH, position * 1_000_000, payload)


async def test_nobody_is_told_of_what_is_written_who_does_not_follow(store: LocalTelemetryStore) -> None:
    watcher = Watcher()
    watcher.is_followed = False
    log = await store.open("run.1", watcher)
    log.append(entry(1))
    await watcher.until(lambda: watcher.durable == 1)
    assert (log.written, watcher.written) == (1, 0)
    watcher.is_followed = True
    log.append(entry(2))
    await watcher.until(lambda: watcher.written == 2)
    await log.close()


async def test_entries_are_written_then_durable_then_readable(store: LocalTelemetryStore) -> None:
    watcher = Watcher()
    log = await store.open("run.1", watcher)
    for position in range(1, 31):
        log.append(entry(position))
    await watcher.until(lambda: (watcher.written, watcher.durable) == (30, 30))
    page = await log.read(10, most_bytes=300)
    assert [each.position for each in page] == [11, 12, 13]
    assert page[0] == entry(11)
    await log.close()
    assert [each.position for each in await store.read("run.1", 28, most_bytes=1 << 20)] == [29, 30]
    assert await store.last_position("run.1") == 30


async def test_a_log_that_is_opened_again_goes_on(store: LocalTelemetryStore) -> None:
    for start in (1, 11):
        watcher = Watcher()
        log = await store.open("run.1", watcher)
        for position in range(start, start + 10):
            log.append(entry(position), hurry=True)
        await log.close()
        assert watcher.durable == start + 9
    assert len(await store.read("run.1", 0, most_bytes=1 << 20)) == 20


async def test_a_full_disk_is_told_and_nothing_more_is_taken(
    store: LocalTelemetryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    watcher = Watcher()
    log = await store.open("run.1", watcher)
    log.append(entry(1), hurry=True)
    await watcher.until(lambda: watcher.durable == 1)
    with monkeypatch.context() as patch:
        patch.setattr(os, "pwritev", full)
        log.append(entry(2))
        await watcher.until(lambda: watcher.failure is not None)
    assert watcher.failure is not None
    assert watcher.failure.reason is Reason.DISK_FULL
    log.append(entry(3))
    await log.close()
    assert await store.last_position("run.1") == 1


async def test_a_disk_that_fails_to_sync_is_told(store: LocalTelemetryStore, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    watcher = Watcher()
    log = await store.open("run.1", watcher)
    log.append(entry(1), hurry=True)
    await watcher.until(lambda: watcher.durable == 1)
    with monkeypatch.context() as patch:
        patch.setattr(os, "fdatasync", broken)
        log.append(entry(2), hurry=True)
        await watcher.until(lambda: watcher.failure is not None)
    assert watcher.failure is not None
    assert watcher.failure.reason is Reason.STORAGE_IO
    assert watcher.durable == 1
    await log.close()


async def test_the_folder_belongs_to_one_server(tmp_path: Path, store: LocalTelemetryStore) -> None:
    with pytest.raises(Failure) as refused:
        await LocalTelemetryStore(tmp_path).start()
    assert refused.value.reason is Reason.STATE_INVALID


async def test_runs_without_an_index_are_found_and_rows_without_a_log_are_removed(tmp_path: Path) -> None:
    store = LocalTelemetryStore(tmp_path)
    await store.start()
    log = await store.open("run.1", Watcher())
    log.append(entry(1))
    await log.close()
    await store.index.write([IndexChange("gone.1", 5, 0, "state")])
    secret = store.secret
    await store.close()
    store = LocalTelemetryStore(tmp_path)
    assert [(run.key, run.position) for run in await store.start()] == [("run.1", 0)]
    assert store.secret == secret
    assert [run.key for run in await store.index.runs()] == []
    await store.close()


async def test_a_deleted_log_leaves_nothing(store: LocalTelemetryStore, tmp_path: Path) -> None:
    log = await store.open("run.1", Watcher())
    for position in range(1, 31):
        log.append(entry(position))
    await log.close()
    size = store.size_bytes("run.1")
    assert await store.delete("run.1") == size > 30 * 100
    assert store.size_bytes("run.1") == 0


async def test_the_oldest_part_of_an_open_log_can_be_removed(store: LocalTelemetryStore) -> None:
    watcher = Watcher()
    log = await store.open("run.1", watcher)
    for position in range(1, 31):
        log.append(entry(position))
        await watcher.until(lambda position=position: watcher.written == position)  # type: ignore[misc] # bound at once
    before = log.size_bytes
    freed = await store.shrink("run.1", most_bytes=1200, not_before=0)
    assert freed > 0
    assert log.size_bytes == before - freed
    assert (await log.read(0, most_bytes=1))[0].position > 1
    await store.shrink("run.1", most_bytes=1 << 30, not_before=1e6)
    assert (await log.read(0, most_bytes=1 << 20))[-1].position == 30
    await log.close()


async def test_a_key_is_no_path(store: LocalTelemetryStore) -> None:
    with pytest.raises(ValueError, match="no key"):
        store.size_bytes("../index.sqlite")
