from __future__ import annotations

import pytest

from catenary_client.retry import NO_RETRY, RetryPolicy


def test_waits_grow_to_a_limit() -> None:
    policy = RetryPolicy(initial_seconds=1.0, factor=2.0, max_seconds=5.0, jitter=0.0)
    assert [policy.delay(attempt) for attempt in (1, 2, 3, 4)] == [1.0, 2.0, 4.0, 5.0]


def test_jitter_shortens_a_wait_by_its_part_at_most() -> None:
    policy = RetryPolicy(initial_seconds=1.0, jitter=0.5)
    waits = {policy.delay(1) for _ in range(200)}
    assert len(waits) > 1
    assert all(0.5 <= wait <= 1.0 for wait in waits)


@pytest.mark.parametrize("asked", [0.0, 30.0])
def test_the_server_is_given_the_time_it_asks_for(asked: float) -> None:
    assert RetryPolicy(initial_seconds=1.0, jitter=0.0).delay(1, asked) == max(1.0, asked)


def test_there_is_a_way_to_switch_retries_off() -> None:
    assert NO_RETRY.attempts == 1
