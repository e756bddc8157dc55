"""Closing a session ends all of it before the answer, and may be repeated."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import grpc
import pytest

from catenary.v1.discovery_service_pb2 import GetServerInfoRequest
from catenary.v1.inference_requests_pb2 import InferenceRequest, StreamInferenceRequest
from catenary.v1.session_requests_pb2 import CloseSessionRequest, CreateSessionRequest, GetSessionRequest
from catenary_conformance import rpcs
from catenary_conformance.chunked import header, tensors_of
from catenary_conformance.requests import requests_naming
from catenary_conformance.requirement import alone, capability, requirement, slow

if TYPE_CHECKING:
    from catenary.v1.capability_pb2 import ServerLimits
    from catenary_conformance.contract import Contract
    from catenary_conformance.target import Target
    from catenary_conformance.workload import Workload

_ITEMS = 8
_WAITING = 12
_UNAVAILING = frozenset({grpc.StatusCode.ABORTED, grpc.StatusCode.UNAVAILABLE})
_CLOSING = frozenset({"SESSION_CLOSING", "SESSION_BUSY"})
_TRIES = 3
"""Others may open and close sessions of their own while the case counts."""


def _taken(target: Target) -> ServerLimits:
    return rpcs.GET_SERVER_INFO.ok(target, GetServerInfoRequest()).limits


@requirement("CAT-SES-007")
def test_closing_a_closed_session_succeeds(target: Target) -> None:
    request = CloseSessionRequest(session_id=rpcs.CREATE_SESSION.ok(target, CreateSessionRequest()).session_id)
    for _ in range(3):
        rpcs.CLOSE_SESSION.ok(target, request)


@requirement("CAT-SES-017")
def test_the_slot_is_free_once_close_is_answered(target: Target, workload: Workload) -> None:
    session_id = ""
    for _ in range(_TRIES):
        before = _taken(target).sessions.principal.used
        session_id = workload.open_session()
        during = _taken(target).sessions.principal.used
        rpcs.CLOSE_SESSION.ok(target, CloseSessionRequest(session_id=session_id))
        after = _taken(target).sessions.principal.used
        if (during, after) == (before + 1, before):
            return
    pytest.fail(f"sessions of the caller: {before}, {during} with one more, {after} after it was closed")


@alone
@requirement("CAT-SES-017")
@capability("pipelines", "training")
def test_the_worker_is_gone_once_close_is_answered(target: Target, workload: Workload) -> None:
    for _ in range(_TRIES):
        before = _taken(target).workers.used
        session_id = workload.open_session()
        workload.configure(session_id)
        during = _taken(target).workers.used
        if during == 0:
            pytest.skip("the target does not state how many workers it has")
        rpcs.CLOSE_SESSION.ok(target, CloseSessionRequest(session_id=session_id))
        after = _taken(target).workers.used
        if after == before < during:
            return
    pytest.fail(f"workers: {before}, {during} with a pipeline more, {after} after its session was closed")


@requirement("CAT-SES-019")
@capability("stream-inference", "training")
def test_work_under_way_ends_with_session_closing(target: Target, workload: Workload) -> None:
    session_id = workload.trained()
    inference = InferenceRequest(session_id=session_id, inputs=workload.inputs(session_id))
    item = StreamInferenceRequest(inference=inference)
    with rpcs.STREAM_INFERENCE.open(target, item) as stream:
        assert stream.receive() is not None
        for _ in range(_ITEMS):
            stream.send(item)
        rpcs.CLOSE_SESSION.ok(target, CloseSessionRequest(session_id=session_id))
        rpcs.expect_reason(stream.end(), "SESSION_CLOSING")


@requirement("CAT-SES-019")
@capability("inference", "training")
def test_requests_that_wait_when_their_session_closes_end_with_session_closing(
    target: Target, workload: Workload
) -> None:
    session_id = workload.trained()
    request = InferenceRequest(session_id=session_id, inputs=workload.inputs(session_id))
    with contextlib.ExitStack() as stack:
        streams = [stack.enter_context(rpcs.INFER.open(target, request)) for _ in range(_WAITING)]
        for stream in streams:
            stream.half_close()
        streams[0].end().expect_ok()
        rpcs.CLOSE_SESSION.ok(target, CloseSessionRequest(session_id=session_id))
        for stream in streams:
            answer = stream.end()
            assert answer.ok or answer.reason in {"SESSION_CLOSING", "SESSION_NOT_FOUND"}, f"{answer}"


@requirement("CAT-SES-019")
@capability("chunked-inference", "training")
def test_a_request_in_pieces_ends_with_session_closing(target: Target, workload: Workload) -> None:
    for patience in range(_TRIES):
        session_id = workload.trained()
        first = header(session_id, tensors_of(workload.inputs(session_id)))
        with rpcs.INFER_CHUNKED.open(target, first) as stream:
            for _ in range(4**patience):  # time for the header to arrive before the session closes
                rpcs.GET_SESSION.ok(target, GetSessionRequest(session_id=session_id))
            rpcs.CLOSE_SESSION.ok(target, CloseSessionRequest(session_id=session_id))
            answer = stream.end()
        if answer.reason != "SESSION_NOT_FOUND":
            rpcs.expect_reason(answer, "SESSION_CLOSING")
            return
    pytest.skip("the header never arrived before the session was closed")


@requirement("CAT-SES-019")
@capability("training")
@slow
def test_a_call_that_meets_the_closing_of_its_session_says_so(
    target: Target, contract: Contract, workload: Workload
) -> None:
    for method, _ in requests_naming(contract, "any"):
        if method.name == "CloseSession":
            continue
        session_id = workload.open_session()
        workload.load_pipeline(session_id)
        request = next(each for of, each in requests_naming(contract, session_id) if of is method)
        closing = rpcs.CLOSE_SESSION.open(target, CloseSessionRequest(session_id=session_id))
        with closing, target.stream(method.path) as meeting:
            closing.half_close()
            meeting.send(request)
            meeting.half_close()
            answer = meeting.end()
            closing.end().expect_ok()
        assert answer.code not in _UNAVAILING or answer.reason in _CLOSING, f"{answer}"


@requirement("CAT-SES-018")
def test_every_other_call_on_a_closed_session_answers_not_found(target: Target, contract: Contract) -> None:
    session_id = rpcs.CREATE_SESSION.ok(target, CreateSessionRequest()).session_id
    rpcs.CLOSE_SESSION.ok(target, CloseSessionRequest(session_id=session_id))
    wrong = []
    for method, request in requests_naming(contract, session_id):
        if method.name != "CloseSession":
            with target.stream(method.path) as stream:
                stream.send(request)
                stream.half_close()
                answer = stream.end()
            if answer.reason not in {"SESSION_NOT_FOUND", "FEATURE_DISABLED"}:
                wrong.append(str(answer))
    assert not wrong, "\n".join(wrong)
