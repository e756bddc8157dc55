"""Retention, broken disks and recovery, over the real store."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import resource
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from served_telemetry import DEADLINE, Image, Request, batch, png

from catenary.telemetry.v1 import telemetry_pb2, training_pb2
from catenary_server.application.telemetry import Telemetry
from catenary_server.application.telemetry_registrations import LEAST_FREE_BYTES
from catenary_server.application.telemetry_upkeep import Retention
from catenary_server.application.telemetry_watch import RunEnded, Said, View
from catenary_server.application.telemetry_writer import LocalWriter
from catenary_server.domain.failure import Failure, Reason
from catenary_server.domain.telemetry import (
    Capability,
    Command,
    CommandType,
    Registration,
    TelemetryLimits,
    TrainingStatus,
    WriterState,
)
from catenary_server.domain.telemetry_message import Kind
from catenary_server.storage.telemetry.index import SqliteIndex
from catenary_server.storage.telemetry.store import LocalTelemetryStore
from catenary_server.transport.codec.telemetry_message import TelemetryCodec
from catenary_server.transport.interceptors.rules import FieldRules

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from pathlib import Path

    from catenary_server.application.telemetry_live import LiveRun

CANCELLED = Request(
    session_id="run", status_update=telemetry_pb2.StatusUpdate(status=training_pb2.TRAINING_STATUS_CANCELLED)
).SerializeToString()


@contextlib.asynccontextmanager
async def opened(
    folder: Path, retention: Retention | None = None, limits: TelemetryLimits | None = None
) -> AsyncIterator[Telemetry]:
    """Telemetry over a folder; its upkeep happens when the test asks for it."""
    limits = limits or TelemetryLimits()
    store = LocalTelemetryStore(folder, commit_interval=0.01, segment_bytes=5000)
    telemetry = await Telemetry.start(store, TelemetryCodec(FieldRules(), limits), limits, retention or Retention())
    yield telemetry
    await telemetry.upkeep.close()
    await store.close()


async def begun(
    telemetry: Telemetry, run_id: str = "run", on_command: Callable[[Command], None] = lambda _: None, **fields: object
) -> LocalWriter:
    registration = Registration(run_id=run_id, **fields)  # type: ignore[arg-type] # each has its field's type
    return await LocalWriter.begin(telemetry, "ann", registration, on_command)


def said(index: int, run_id: str = "run", filler: int = 0) -> bytes:
    images = [Image(image_bytes=png(filler=filler))] if filler else []
    return Request(session_id=run_id, batch_data=batch(index, images)).SerializeToString()


async def steps(telemetry: Telemetry, run: LiveRun) -> list[int]:
    (series,) = await telemetry.upkeep.series(run, ["batch_loss"], (None, None), 10_000)
    return list(series.steps)


def lose_index(folder: Path) -> None:
    for path in folder.glob("index.sqlite*"):
        path.unlink()


async def written(run: LiveRun) -> None:
    async with asyncio.timeout(DEADLINE):
        await run.until_written(run.state.position)


async def test_runs_that_ended_go_first_when_there_is_too_much(tmp_path: Path) -> None:
    async with opened(tmp_path, Retention(most_bytes=8000)) as telemetry:
        for name in ("old", "new"):
            writer = await begun(telemetry, name)
            writer.say(said(1, name, filler=3000))
            writer.say(CANCELLED)
            await writer.close()
        live = await begun(telemetry, "live")
        live.say(said(1, "live", filler=3000))
        await telemetry.upkeep.settle()
        await telemetry.upkeep.retain()
        assert [run.state.run_id for run in telemetry.runs] == ["new", "live"]
        assert sorted(path.name.partition(".")[0] for path in (tmp_path / "runs").iterdir()) == ["live", "new"]
        await live.close()


async def test_runs_that_are_too_old_go(tmp_path: Path) -> None:
    async with opened(tmp_path, Retention(most_age=-1.0)) as telemetry:
        writer = await begun(telemetry)
        writer.say(CANCELLED)
        await writer.close()
        await telemetry.upkeep.settle()
        await telemetry.upkeep.retain()
        assert not list(telemetry.runs)


async def test_the_oldest_part_of_a_live_run_goes_and_the_rest_can_be_read_again(tmp_path: Path) -> None:
    async with opened(tmp_path, Retention(most_bytes=20_000)) as telemetry:
        writer = await begun(telemetry, tags={"team": "blue"})
        run = telemetry.runs.find("ann", "run")
        for index in range(30):
            writer.say(said(index, filler=3000))
            await written(run)
        assert run.size_bytes > 90_000
        await telemetry.upkeep.retain()
        assert run.size_bytes <= 25_000
        assert await steps(telemetry, run) == list(range(30))
        writer.say(said(30))
        await writer.close()
        before = run.state
    lose_index(tmp_path)
    async with opened(tmp_path) as telemetry:
        state = telemetry.runs.find("ann", "run").state
        before.writer_state = WriterState.SILENT
        assert vars(state) == vars(before)


async def test_a_run_whose_disk_was_full_goes_on_where_its_log_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    async with opened(tmp_path) as telemetry:
        writer = await begun(telemetry)
        run = telemetry.runs.find("ann", "run")
        writer.say(said(1))
        await written(run)
        with monkeypatch.context() as patch:
            patch.setattr(os, "pwritev", full)
            writer.say(said(2))
            with pytest.raises(Failure) as failed:
                await written(run)
            assert failed.value.reason is Reason.DISK_FULL
        with pytest.raises(Failure) as refused:
            writer.say(said(3))
        assert refused.value.reason is Reason.DISK_FULL
        await telemetry.upkeep.settle()
        again = telemetry.runs.find("ann", "run")
        assert again is not run
        assert await steps(telemetry, again) == [1]
        writer = await begun(telemetry)
        writer.say(said(2))
        assert await steps(telemetry, telemetry.runs.find("ann", "run")) == [1, 2]
        await writer.close()


async def test_no_run_begins_without_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with opened(tmp_path) as telemetry:
        usage = shutil.disk_usage(tmp_path)._replace(free=LEAST_FREE_BYTES - 1)
        monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
        with pytest.raises(Failure) as refused:
            await begun(telemetry)
        assert refused.value.reason is Reason.QUOTA_DISK


async def test_an_index_that_is_ahead_of_its_log_is_made_again(tmp_path: Path) -> None:
    async with opened(tmp_path) as telemetry:
        writer = await begun(telemetry)
        for index in range(5):
            writer.say(said(index))
        await writer.close()
    (log,) = (tmp_path / "runs").glob("*/*.seg")
    os.truncate(log, log.stat().st_size - 50)
    async with opened(tmp_path) as telemetry:
        run = telemetry.runs.find("ann", "run")
        assert await steps(telemetry, run) == [0, 1, 2, 3]
        assert run.state.writer_state is WriterState.SILENT


async def test_a_log_without_a_registration_is_removed(tmp_path: Path) -> None:
    async with opened(tmp_path) as telemetry:
        await (await begun(telemetry)).close()
    (log,) = (tmp_path / "runs").glob("*/*.seg")
    os.truncate(log, 20)
    lose_index(tmp_path)
    async with opened(tmp_path) as telemetry:
        assert not list(telemetry.runs)
    assert not list((tmp_path / "runs").iterdir())


async def test_a_damaged_log_does_not_keep_the_server_from_starting(tmp_path: Path) -> None:
    async with opened(tmp_path) as telemetry:
        for name in ("good", "bad"):
            writer = await begun(telemetry, name)
            writer.say(said(1, name))
            await writer.close()
    (log,) = (tmp_path / "runs").glob("bad.*/*.seg")
    log.write_bytes(b"rubbish rubbish rubbish")
    async with opened(tmp_path) as telemetry:
        assert [run.state.run_id for run in telemetry.runs] == ["good"]


async def test_a_training_of_this_server_reports_and_obeys(tmp_path: Path) -> None:
    async with opened(tmp_path, limits=TelemetryLimits(heartbeat_interval=0.05)) as telemetry:
        commands: asyncio.Queue[Command] = asyncio.Queue()
        stop = Capability(CommandType.STOP_TRAINING)
        writer = await begun(telemetry, on_command=commands.put_nowait, commands=(stop,))
        run = telemetry.runs.find("ann", writer.run_id)
        watching = asyncio.create_task(anext_all(telemetry, run))
        writer.say(said(1))
        asked = Command("c", CommandType.STOP_TRAINING, None, 0.0, 0.0)
        sending = asyncio.create_task(telemetry.commands.send("ann", "run", asked, wait=DEADLINE))
        told = await asyncio.wait_for(commands.get(), DEADLINE)
        writer.say(telemetry.runs.codec.applied("run", told.command_id, 1))
        assert (await sending).result is not None
        writer.say(CANCELLED)
        await writer.close()
        assert run.state.status is TrainingStatus.CANCELLED
        assert run.state.writer_state is WriterState.CLOSED
        events = await asyncio.wait_for(watching, DEADLINE)
        assert isinstance(events[-1], RunEnded)
        assert sum(isinstance(event, Said) for event in events) == 3


async def anext_all(telemetry: Telemetry, run: LiveRun) -> list[object]:
    return [seen.event async for seen in telemetry.watches.watch(run, View(after_sequence=0))]


async def test_a_training_of_this_server_gives_way_to_the_holder_of_its_token(tmp_path: Path) -> None:
    async with opened(tmp_path) as telemetry:
        first = await telemetry.registrations.register("ann", Registration(run_id="run"))
        writer = await begun(telemetry, resume_token=first.resume_token)
        await telemetry.registrations.register(
            "ann", Registration(run_id="run", resume_token=telemetry.registrations._tokens.token(first.run.state, 2))
        )
        with pytest.raises(Failure) as ended:
            writer.say(said(1))
        assert ended.value.reason is Reason.STREAM_SUPERSEDED
        await writer.close()


async def test_a_run_of_somebody_else_is_neither_found_nor_registered(tmp_path: Path) -> None:
    async with opened(tmp_path) as telemetry:
        writer = await begun(telemetry)
        with pytest.raises(Failure) as unknown:
            telemetry.runs.find("bob", "run")
        assert unknown.value.reason is Reason.RUN_NOT_FOUND
        with pytest.raises(Failure) as taken:
            await telemetry.registrations.register("bob", Registration(run_id="run"))
        assert taken.value.reason is Reason.RUN_EXISTS
        assert telemetry.runs.select("bob", [], {}) == ()
        await writer.close()


async def test_images_are_found_again_where_they_lie(tmp_path: Path) -> None:
    async with opened(tmp_path) as telemetry:
        writer = await begun(telemetry)
        writer.say(said(1, filler=100))
        await writer.close()
    async with opened(tmp_path) as telemetry:
        run = telemetry.runs.find("ann", "run")
        found = await run.latest(Kind.IMAGE_BATCH)
        assert found is not None
        assert found.payload == said(1, filler=100)
        assert await run.latest(Kind.EPOCH) is None


def test_telemetry_needs_no_torch() -> None:
    script = "import sys, catenary_server.telemetry_wiring; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


@contextlib.contextmanager
def full_disk() -> Iterator[None]:
    """No file of this process grows any more."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


async def test_a_run_outlives_a_disk_that_has_no_room_even_for_its_index(tmp_path: Path) -> None:
    async with opened(tmp_path) as telemetry:
        registered = await telemetry.registrations.register("ann", Registration(run_id="run"))
        registered.run.record(Kind.WRITER_CHANGED, b'{"writer_state": "LIVE"}')
        await written(registered.run)
        again = Registration(run_id="run", resume_token=registered.resume_token)
        with full_disk():
            registered.run.on_failed(Failure(Reason.DISK_FULL, "the disk is full"))
            with pytest.raises(Failure) as refused:
                await telemetry.registrations.register("ann", again)
            assert refused.value.reason is Reason.DISK_FULL
            for _ in range(2):
                await telemetry.upkeep.settle()
                with pytest.raises(Failure) as refused:
                    await telemetry.registrations.register("ann", again)
                assert refused.value.reason in (Reason.DISK_FULL, Reason.STORAGE_IO)
            telemetry.runs.refuse_unread("another")
        await telemetry.upkeep.settle()
        taken_over = await telemetry.registrations.register("ann", again)
        assert (taken_over.taken_over, taken_over.writer_epoch) == (True, 2)


async def test_a_server_that_starts_on_a_full_disk_has_its_runs_once_there_is_room(tmp_path: Path) -> None:
    async with opened(tmp_path) as telemetry:
        token = (await telemetry.registrations.register("ann", Registration(run_id="run"))).resume_token
    SqliteIndex(tmp_path / "index.sqlite").remove_now(next((tmp_path / "runs").iterdir()).name)
    with full_disk():
        starting = opened(tmp_path)
        telemetry = await starting.__aenter__()
        with pytest.raises(Failure) as refused:
            await telemetry.registrations.register("ann", Registration(run_id="run", resume_token=token))
        assert refused.value.reason in (Reason.DISK_FULL, Reason.STORAGE_IO)
        assert not [*telemetry.runs]
    await telemetry.upkeep.settle()
    assert (await telemetry.registrations.register("ann", Registration(run_id="run", resume_token=token))).taken_over
    await starting.__aexit__(None, None, None)


async def test_a_new_run_that_found_no_room_can_be_registered_once_there_is_some(tmp_path: Path) -> None:
    async with opened(tmp_path) as telemetry:
        with full_disk(), pytest.raises(Failure) as refused:
            await telemetry.registrations.register("ann", Registration(run_id="run"))
        assert refused.value.reason is Reason.DISK_FULL
        await telemetry.upkeep.settle()
        registered = await telemetry.registrations.register("ann", Registration(run_id="run"))
        assert (registered.writer_epoch, registered.taken_over) == (1, False)
