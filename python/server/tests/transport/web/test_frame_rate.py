from __future__ import annotations

from catenary_server.transport.web.frame_rate import FrameRate


def test_a_burst_is_taken_and_then_as_much_as_time_allows() -> None:
    now = [100.0]
    rate = FrameRate(per_second=10.0, at_once=5.0, clock=lambda: now[0])
    assert [rate.take() for _ in range(6)] == [True] * 5 + [False]
    now[0] += 0.2
    assert [rate.take() for _ in range(3)] == [True, True, False]
    now[0] += 1000.0
    assert [rate.take() for _ in range(6)] == [True] * 5 + [False]
