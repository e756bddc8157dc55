from __future__ import annotations

import pytest

from catenary_server.bounded_child import ChildLimits, LimitsExceeded, call_in_child
from catenary_server.domain.failure import Failure, Reason

LIMITS = ChildLimits(cpu_s=0.3, memory_bytes=64 << 20)


def test_what_the_function_returns_comes_back() -> None:
    assert call_in_child("bounded_calls:double", 21, LIMITS) == 42


def test_a_failure_comes_back_as_itself() -> None:
    with pytest.raises(Failure, match="not good") as caught:
        call_in_child("bounded_calls:refuse", "not good", LIMITS)
    assert caught.value.reason is Reason.CONFIG_INVALID


@pytest.mark.parametrize("function", ["spin", "swell"])
def test_a_call_without_measure_is_ended(function: str) -> None:
    with pytest.raises(LimitsExceeded):
        call_in_child(f"bounded_calls:{function}", None, LIMITS)


def test_a_call_that_waits_is_ended_at_the_deadline() -> None:
    with pytest.raises(LimitsExceeded):
        call_in_child("bounded_calls:spin", None, ChildLimits(cpu_s=60, wall_s=0.1))


def test_a_process_that_ends_itself_is_a_bug() -> None:
    with pytest.raises(RuntimeError, match="ended with code 3"):
        call_in_child("bounded_calls:leave", 3, LIMITS)
