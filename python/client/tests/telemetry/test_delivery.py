"""What reaches the store when connections break, servers die, and trainers stop: each message once, in order."""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING

import pytest

from catenary.telemetry.v1 import training_pb2
from catenary_client.connection import InsecureTokenError
from catenary_client.errors import AlreadyExistsError, AuthenticationError
from catenary_client.telemetry import Address, Run, TelemetryOverflow, TelemetrySettings, send_leftovers

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from telemetry_server import StoredRun, TelemetryServer

    from catenary_tools.fault_proxy import FaultProxy

KIB = 1 << 10


def jpeg(mark: int, size: int = 4000) -> bytes:
    """Looks like a JPEG of 16 x 16 pixels; no two are the same."""
    head = b"\xff\xd8\xff\xc0\x00\x11\x08\x00\x10\x00\x10\x03"
    return head + mark.to_bytes(8, "big") * ((size - len(head)) // 8)


def log_steps(run: Run, steps: range, *, tiles: int = 16) -> None:
    for step in steps:
        run.log_scalars({"loss": float(step)}, step=step)
        run.log_batch(images=[jpeg(step * 16 + tile) for tile in range(tiles)], loss=float(step), step=step)


def assert_complete_and_once(stored: StoredRun, steps: range) -> None:
    """Every batch and every scalar is there once and in the order of logging, and every image is whole."""
    assert stored.steps == list(steps)
    assert [step for _, step, _ in stored.samples] == list(steps)
    sequences = [request.sequence for request in stored.stored]
    assert sequences == sorted(set(sequences))
    for request in stored.payloads("batch_data"):
        marks = [image.image_bytes[-8:] for image in request.batch_data.images]
        step = request.batch_data.global_step
        assert marks == [(step * 16 + tile).to_bytes(8, "big") for tile in range(len(marks))]


def _has_batches(server: TelemetryServer, count: int) -> bool:
    return len(server.run().steps) == count


def test_a_server_killed_in_the_middle_gets_everything_once(
    server: TelemetryServer, new_run: Callable[..., Run]
) -> None:
    with new_run() as run:
        for part in range(4):
            log_steps(run, range(part * 50 + 1, part * 50 + 51))
            server.wait_until(lambda: len(server.run().stored) > 0)
            server.holding = part % 2 == 0
            server.kill()
            server.start()
        server.holding = False
    assert run.report is not None
    assert run.report.complete
    assert_complete_and_once(server.run(), range(1, 201))


def test_connections_that_break_again_and_again_lose_and_repeat_nothing(
    server: TelemetryServer, proxy: FaultProxy, new_run: Callable[..., Run]
) -> None:
    proxy.cut_after(500 * KIB)
    with new_run(proxy.address) as run:
        log_steps(run, range(1, 101))
        server.wait_until(lambda: proxy.cuts >= 3)
        proxy.cut_after(0)
    assert_complete_and_once(server.run(), range(1, 101))
    assert not server.faults["SEQ_GAP"]


def test_a_slow_connection_gets_everything_once(
    server: TelemetryServer, proxy: FaultProxy, new_run: Callable[..., Run]
) -> None:
    proxy.slow(2e6)
    with new_run(proxy.address) as run:
        log_steps(run, range(1, 31))
    assert_complete_and_once(server.run(), range(1, 31))


def test_what_memory_cannot_hold_goes_to_the_disk_and_comes_back_in_order(
    server: TelemetryServer, proxy: FaultProxy, new_run: Callable[..., Run]
) -> None:
    settings = TelemetrySettings(ring_bytes=400 * KIB, reserve_bytes=8 * KIB, segment_bytes=256 * KIB)
    with new_run(proxy.address, settings=settings, on_full="block") as run:
        log_steps(run, range(1, 11))
        server.wait_until(lambda: len(server.run().steps) == 10)
        proxy.refuse(refusing=True)
        log_steps(run, range(11, 101))
        assert run.spilled_bytes > 4000 * KIB
        proxy.refuse(refusing=False)
    assert run.report is not None
    assert run.report.dropped_images == 0
    assert_complete_and_once(server.run(), range(1, 101))


def test_what_is_left_at_the_end_is_kept_and_sent_by_a_later_run(
    server: TelemetryServer, proxy: FaultProxy, new_run: Callable[..., Run], tmp_path: Path
) -> None:
    settings = TelemetrySettings(close_seconds=0.2)
    with new_run(proxy.address, settings=settings, name="cut off") as run:
        log_steps(run, range(1, 21))
        server.wait_until(lambda: len(server.run().steps) > 5)
        server.holding = True
        log_steps(run, range(21, 41))
        server.wait_until(lambda: len(server.run().steps) > 25)
        proxy.refuse(refusing=True)
        log_steps(run, range(41, 61))
    report = run.report
    assert report is not None
    assert not report.complete
    assert report.left_messages > 0
    assert report.spill_folder is not None
    assert report.spill_folder.is_dir()

    server.holding = False
    proxy.refuse(refusing=False)
    left = send_leftovers(Address(target=proxy.address), spill_root=tmp_path / "spill")
    assert [(item.run_id, item.sent) for item in left] == [(run.run_id, True)]
    assert_complete_and_once(server.run(), range(1, 61))
    assert not report.spill_folder.exists()


def test_a_run_goes_on_under_its_id_after_its_process_ended(
    server: TelemetryServer, proxy: FaultProxy, new_run: Callable[..., Run]
) -> None:
    settings = TelemetrySettings(close_seconds=0.2)
    with new_run(proxy.address, settings=settings, run_id="again") as run:
        log_steps(run, range(1, 11))
        server.wait_until(lambda: len(server.run().steps) == 10)
        proxy.refuse(refusing=True)
        log_steps(run, range(11, 21))
    proxy.refuse(refusing=False)
    with new_run(proxy.address, run_id="again") as run:
        log_steps(run, range(21, 31))
    assert run.report is not None
    assert run.report.complete
    assert_complete_and_once(server.run(), range(1, 31))
    assert server.run().statuses.count(training_pb2.TRAINING_STATUS_INITIALIZING) == 1, "it has begun before"


def test_without_a_server_the_training_goes_on_and_the_run_waits_on_the_disk(
    server: TelemetryServer, new_run: Callable[..., Run], tmp_path: Path
) -> None:
    server.kill()
    with new_run(settings=TelemetrySettings(close_seconds=0.1)) as run:
        log_steps(run, range(1, 6))
    assert run.report is not None
    assert run.report.left_messages > 0
    server.start()
    (left,) = send_leftovers(Address(target=server.address), spill_root=tmp_path / "spill")
    assert left.sent
    assert_complete_and_once(server.run(), range(1, 6))


def test_a_new_run_sends_what_earlier_ones_left(server: TelemetryServer, new_run: Callable[..., Run]) -> None:
    server.kill()
    with new_run(settings=TelemetrySettings(close_seconds=0.1), run_id="earlier") as run:
        log_steps(run, range(1, 6))
    server.start()
    with new_run(run_id="later") as run:
        run.log_batch(loss=1.0)
        server.wait_until(lambda: "earlier" in server.runs and len(server.runs["earlier"].steps) == 5)


def test_a_full_spill_thins_the_oldest_images_and_reports_the_gap(
    server: TelemetryServer, proxy: FaultProxy, new_run: Callable[..., Run]
) -> None:
    settings = TelemetrySettings(ring_bytes=300 * KIB, spill_bytes=1024 * KIB, segment_bytes=128 * KIB)
    with new_run(proxy.address, settings=settings, on_full="block") as run:
        log_steps(run, range(1, 6))
        server.wait_until(lambda: len(server.run().steps) == 5)
        proxy.refuse(refusing=True)
        log_steps(run, range(6, 106))
        proxy.refuse(refusing=False)
    stored = server.run()
    assert run.report is not None
    assert run.report.dropped_images > 20
    assert sum(request.gap.dropped_count for request in stored.payloads("gap")) == run.report.dropped_images
    assert stored.steps == list(range(1, 106))
    assert [step for _, step, _ in stored.samples] == list(range(1, 106))
    without = [request for request in stored.payloads("batch_data") if not request.batch_data.images]
    assert len(without) == run.report.dropped_images
    newest = stored.payloads("batch_data")[-1].batch_data
    assert len(newest.images) == 16
    assert not server.faults


def test_scalars_without_room_fail_loudly(server: TelemetryServer, new_run: Callable[..., Run]) -> None:
    server.kill()
    settings = TelemetrySettings(reserve_bytes=64 * KIB, spill_reserve_bytes=1, close_seconds=0.1, overflow_seconds=0.1)

    def log_for_ever(run: Run) -> None:
        for step in range(100_000):
            run.log_scalars({"loss": 1.0}, step=step)

    with new_run(settings=settings) as run, pytest.raises(TelemetryOverflow, match="scalars"):
        log_for_ever(run)


def test_images_without_room_are_left_out_and_counted(server: TelemetryServer, new_run: Callable[..., Run]) -> None:
    settings = TelemetrySettings(ring_bytes=10 * KIB)
    with new_run(settings=settings) as run:
        log_steps(run, range(1, 4))
    stored = server.run()
    assert stored.steps == [1, 2, 3]
    assert sum(request.gap.dropped_count for request in stored.payloads("gap")) == 3
    assert not any(request.batch_data.images for request in stored.payloads("batch_data"))


@pytest.mark.parametrize(
    ("reason", "error"), [("RUN_EXISTS", AlreadyExistsError), ("TOKEN_INVALID", AuthenticationError)]
)
def test_a_refused_registration_is_raised_at_the_start(
    server: TelemetryServer, new_run: Callable[..., Run], reason: str, error: type[Exception]
) -> None:
    server.refuse_with = reason
    with pytest.raises(error, match="the test says no"), new_run():
        pytest.fail("the run started")


def test_an_unchanged_tile_is_sent_as_its_hash(server: TelemetryServer, new_run: Callable[..., Run]) -> None:
    still = jpeg(1)
    with new_run() as run:
        for step in range(1, 5):
            run.log_batch(images=[still, jpeg(step + 10)], loss=0.0)
            server.wait_until(partial(_has_batches, server, step))
    sent = [request.batch_data.images[0] for request in server.run().payloads("batch_data")]
    assert [bool(image.image_bytes) for image in sent] == [True, True, False, False]
    assert [image.HasField("content_sha256") for image in sent] == [False, True, True, True]


def test_a_server_that_lost_its_memory_gets_unchanged_tiles_in_full(
    server: TelemetryServer, new_run: Callable[..., Run]
) -> None:
    still = jpeg(1)
    with new_run() as run:
        for step in range(1, 4):
            run.log_batch(images=[still], loss=0.0)
            server.wait_until(partial(_has_batches, server, step))
        server.holding = True
        run.log_batch(images=[still], loss=0.0)
        server.wait_until(partial(_has_batches, server, 4))
        server.kill()
        server.holding = False
        server.start()
        server.wait_until(partial(_has_batches, server, 4))
        run.log_batch(images=[still], loss=0.0)
    sent = [request.batch_data.images[0].image_bytes for request in server.run().payloads("batch_data")]
    assert [image == still for image in sent] == [True, True, False, True, True]


def test_a_token_is_not_sent_where_others_could_read_it(new_run: Callable[..., Run]) -> None:
    with pytest.raises(InsecureTokenError):
        new_run("gpu-box:50051", token="secret")  # noqa: S106 - no secret at all


def test_messages_about_a_broken_connection_are_logged(
    server: TelemetryServer, proxy: FaultProxy, new_run: Callable[..., Run], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING), new_run(proxy.address) as run:
        server.wait_until(lambda: bool(server.runs) and server.connections == 1)
        proxy.cut()
        server.wait_until(lambda: server.connections == 2)
        run.log_batch(loss=1.0)
    assert "next attempt" in caplog.text
