"""A retry of CreateSession makes no second session."""

from __future__ import annotations

from typing import TYPE_CHECKING

from catenary.v1.session_requests_pb2 import CreateSessionRequest
from catenary_conformance import rpcs
from catenary_conformance.requirement import requirement

if TYPE_CHECKING:
    from catenary_conformance.target import Target


@requirement("CAT-SES-002")
def test_the_same_request_id_and_body_answer_the_same_session(target: Target) -> None:
    request = CreateSessionRequest(request_id=target.unique("retry"), labels={"case": "retry"})
    first = rpcs.CREATE_SESSION.ok(target, request)
    again = rpcs.CREATE_SESSION.ok(target, request)
    assert again.session_id == first.session_id


@requirement("CAT-SES-002")
def test_without_a_request_id_each_call_makes_a_session(target: Target) -> None:
    first = rpcs.CREATE_SESSION.ok(target, CreateSessionRequest())
    second = rpcs.CREATE_SESSION.ok(target, CreateSessionRequest())
    assert second.session_id != first.session_id


@requirement("CAT-SES-003")
def test_the_same_request_id_with_another_body_is_a_conflict(target: Target) -> None:
    request = CreateSessionRequest(request_id=target.unique("conflict"), labels={"case": "one"})
    first = rpcs.CREATE_SESSION.ok(target, request)
    other = CreateSessionRequest(request_id=request.request_id, labels={"case": "two"})
    rpcs.CREATE_SESSION.refused(target, other, reason="IDEMPOTENCY_CONFLICT")
    again = rpcs.CREATE_SESSION.ok(target, request)
    assert again.session_id == first.session_id, "the conflict took the place of the session that was there"
