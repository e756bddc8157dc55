"""A session ends when it was not named for as long as it asked for; calls and runs hold it open."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING

from google.protobuf.duration_pb2 import Duration

from catenary.v1.session_requests_pb2 import (
    CreateSessionRequest,
    GetSessionRequest,
    ListSessionsRequest,
)
from catenary.v1.training_pb2 import TRAINER_TYPE_GRADIENT
from catenary.v1.training_requests_pb2 import TrainRequest
from catenary_conformance import rpcs
from catenary_conformance.requirement import capability, requirement
from catenary_conformance.workload import ENDLESS

if TYPE_CHECKING:
    from catenary.v1.session_pb2 import Session
    from catenary_conformance.target import Target
    from catenary_conformance.workload import Workload

_POLL_SECONDS = 0.05
_NANO = 1e-9


def _shortest(workload: Workload) -> Duration:
    bound = workload.info.limits.sessions.min_idle_timeout
    return bound if bound.seconds or bound.nanos else Duration(seconds=1)


def _seconds(duration: Duration) -> float:
    return duration.seconds + duration.nanos * _NANO


def _listed(target: Target, label: str) -> list[Session]:
    """Sessions of the label. Listing does not move their expiry, so this is how to wait for it."""
    listed = rpcs.LIST_SESSIONS.ok(target, ListSessionsRequest(labels={"case": label})).sessions
    return [each for each in listed if each.labels.get("case") == label]


@requirement("CAT-SES-006")
def test_an_idle_timeout_within_the_bounds_is_used_as_asked(target: Target, workload: Workload) -> None:
    bounds = workload.info.limits.sessions
    for asked in (bounds.min_idle_timeout, bounds.max_idle_timeout, Duration(seconds=90, nanos=500_000_000)):
        if not (asked.seconds or asked.nanos):
            continue  # the target sets no such bound
        answer = rpcs.CREATE_SESSION.ok(target, CreateSessionRequest(idle_timeout=asked))
        assert answer.session.idle_timeout == asked


@requirement("CAT-SES-006")
def test_an_idle_timeout_outside_the_bounds_is_refused(target: Target, workload: Workload) -> None:
    bounds = workload.info.limits.sessions
    outside = []
    if _seconds(bounds.max_idle_timeout):
        outside.append(Duration(seconds=bounds.max_idle_timeout.seconds + 1))
    if _seconds(bounds.min_idle_timeout) > _NANO:
        outside.append(Duration(nanos=1))
    for asked in outside:
        answer = rpcs.CREATE_SESSION.refused(target, CreateSessionRequest(idle_timeout=asked), reason="FIELD_INVALID")
        assert "idle_timeout" in answer.violations


@requirement("CAT-SES-009")
def test_a_call_that_names_the_session_moves_its_expiry(target: Target) -> None:
    created = rpcs.CREATE_SESSION.ok(target, CreateSessionRequest()).session
    request = GetSessionRequest(session_id=created.session_id)
    told = [created, *(rpcs.GET_SESSION.ok(target, request).session for _ in range(3))]
    times = [each.expire_time.ToNanoseconds() for each in told]
    assert times == sorted(set(times)), "the expiry stayed although the session was named"


@requirement("CAT-SES-008", "CAT-SES-006")
def test_a_session_that_nobody_names_is_gone_after_its_idle_timeout(target: Target, workload: Workload) -> None:
    label, timeout = target.unique("expires"), _shortest(workload)
    request = CreateSessionRequest(idle_timeout=timeout, labels={"case": label})
    session_id = rpcs.CREATE_SESSION.ok(target, request).session_id
    deadline = time.monotonic() + _seconds(timeout) + target.seconds(5.0)
    while _listed(target, label):
        assert time.monotonic() < deadline, "the session is there long after its idle timeout"
        time.sleep(_POLL_SECONDS)
    rpcs.GET_SESSION.refused(target, GetSessionRequest(session_id=session_id), reason="SESSION_NOT_FOUND")


@requirement("CAT-SES-009")
@capability("training", "pipelines")
def test_a_run_holds_its_session_open(target: Target, workload: Workload) -> None:
    label, began = target.unique("held"), time.monotonic()
    workload.trained()
    setting_up = 2 * (time.monotonic() - began) + target.seconds(0.5)
    timeout = Duration(seconds=math.ceil(max(setting_up, _seconds(_shortest(workload)))))
    session_id = workload.open_session(labels={"case": label}, idle_timeout=timeout)
    workload.configure(session_id, workload.trainrun(epochs=ENDLESS))
    workload.load_weights(session_id)
    request = TrainRequest(session_id=session_id, trainer_type=TRAINER_TYPE_GRADIENT)
    with rpcs.TRAIN.open(target, request) as stream:
        assert stream.receive() is not None
        before = _listed(target, label)
        assert before, "the session is gone while it trains"
        assert not before[0].HasField("expire_time"), "a session that a run holds open has an expire_time"
        deadline = time.monotonic() + _seconds(timeout) + 0.5
        while time.monotonic() < deadline:
            assert _listed(target, label), "the session expired while it trained"
            assert stream.receive() is not None, f"the run ended: {stream.answer}"
