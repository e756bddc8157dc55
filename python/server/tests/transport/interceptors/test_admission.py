from __future__ import annotations

import contextlib

import pytest
from wire_client import method

from catenary_server.domain.failure import Failure
from catenary_server.transport.interceptors.admission import ALWAYS, Admission
from catenary_server.transport.methods import contract_methods
from catenary_server.transport.settings import CallLimits

LIMITS = CallLimits(calls=2, streams=1, memory=100, large_message=10)


@pytest.fixture
def admission() -> Admission:
    return Admission(LIMITS)


def refused(admission: Admission, rpc: str, principal: str = "alice") -> Failure:
    with pytest.raises(Failure) as failure, admission.call(method(rpc), principal):
        pass
    return failure.value


def test_a_call_beyond_the_limit_is_told_when_to_come_again(admission: Admission) -> None:
    with admission.call(method("GetSession"), "alice"), admission.call(method("Inference"), "alice"):
        failure = refused(admission, "GetSession")
    assert failure.reason == "QUOTA_RPCS"
    assert failure.retry_after is not None
    assert [violation.subject for violation in failure.violations] == ["calls"]
    with admission.call(method("GetSession"), "alice"):
        pass


def test_streams_have_a_limit_of_their_own(admission: Admission) -> None:
    with admission.call(method("WatchTraining"), "alice"):
        failure = refused(admission, "StreamTelemetry")
        assert (failure.reason, failure.violations[0].subject) == ("QUOTA_STREAMS", "streams")
        assert failure.retry_after is not None
        with admission.call(method("GetSession"), "alice"):
            assert admission.use("alice").calls == 1
            assert admission.use("alice").streams == 1


def test_principals_do_not_count_against_each_other(admission: Admission) -> None:
    with admission.call(method("Train"), "alice"), admission.call(method("Train"), "bob"):
        refused(admission, "Train", "bob")
        assert (admission.use("alice").streams, admission.use("carol").streams) == (1, 0)


def test_what_tells_or_makes_room_is_admitted_beyond_every_limit(admission: Admission) -> None:
    assert set(ALWAYS) < {each.name for each in contract_methods().values()}
    with contextlib.ExitStack() as held:
        for _ in range(LIMITS.calls):
            held.enter_context(admission.call(method("GetSession"), "alice"))
        for name in ALWAYS:
            with admission.call(method(name), "alice"):
                assert admission.use("alice").calls == LIMITS.calls


def test_a_call_that_fails_gives_its_place_back(admission: Admission) -> None:
    for _ in range(3):
        with pytest.raises(RuntimeError), admission.call(method("Train"), "alice"):
            raise RuntimeError
    assert admission.use("alice").streams == 0


def test_large_requests_share_a_budget_and_small_ones_need_none(admission: Admission) -> None:
    with admission.memory(60), admission.memory(40), admission.memory(10):
        with pytest.raises(Failure) as failure, admission.memory(11):
            pass
        assert failure.value.reason == "QUOTA_MEMORY"
        assert failure.value.retry_after is not None
        assert failure.value.violations
    with admission.memory(100):
        pass
