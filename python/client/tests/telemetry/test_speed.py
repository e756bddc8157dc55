from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from catenary_client.telemetry.speed import Plan, Speedometer

if TYPE_CHECKING:
    from catenary.telemetry.v1 import telemetry_pb2

MILLISECOND = 1_000_000


def tick(meter: Speedometer, now_ns: int) -> telemetry_pb2.PerformanceData | None:
    """A batch ends; what the training thread then asks for."""
    due = meter.tick()
    figures = meter.figures(now_ns)
    assert due is (figures is not None)
    return figures


def test_figures_come_every_so_many_batches() -> None:
    meter = Speedometer(10, Plan(total_epochs=2, batches_per_epoch=50), 0)
    assert [tick(meter, count * 20 * MILLISECOND) for count in range(1, 10)] == [None] * 9
    figures = tick(meter, 200 * MILLISECOND)
    assert figures is not None
    assert figures.time_per_batch_ms == pytest.approx(20)
    assert figures.current_fps == pytest.approx(50)
    assert figures.average_fps == pytest.approx(50)
    assert figures.total_time_for_epoch_sec == pytest.approx(1.0)
    assert figures.estimated_time_remaining_sec == pytest.approx(90 * 0.02)


def test_the_current_speed_is_that_of_the_last_batches() -> None:
    meter = Speedometer(2, Plan(), 0)
    tick(meter, 0)
    tick(meter, 100 * MILLISECOND)
    tick(meter, 100 * MILLISECOND)
    figures = tick(meter, 120 * MILLISECOND)
    assert figures is not None
    assert figures.current_fps == pytest.approx(100)
    assert figures.average_fps == pytest.approx(4 / 0.12)
    assert figures.estimated_time_remaining_sec == 0


def test_a_pause_is_not_counted() -> None:
    meter = Speedometer(1, Plan(), 0)
    meter.leave_out(1000 * MILLISECOND)
    figures = tick(meter, 1010 * MILLISECOND)
    assert figures is not None
    assert figures.average_fps == pytest.approx(100)


def test_there_may_be_no_figures_at_all() -> None:
    meter = Speedometer(0, Plan(), 0)
    assert [tick(meter, 1) for _ in range(30)] == [None] * 30
