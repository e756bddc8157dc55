"""Sessions that are not there, and those of others, cannot be told apart."""

from __future__ import annotations

from typing import TYPE_CHECKING

from catenary.v1.session_requests_pb2 import CloseSessionRequest, CreateSessionRequest, GetSessionRequest
from catenary_conformance import rpcs
from catenary_conformance.requirement import needs_two_tenants, requirement

if TYPE_CHECKING:
    from catenary_conformance.answer import Answer
    from catenary_conformance.target import Target


def _shape(answer: Answer) -> tuple[object, ...]:
    """What a caller can tell an answer by, other than the id that it asked for."""
    kinds = tuple(type(each).__name__ for each in answer.details)
    return answer.code, answer.reason, answer.domain, dict(answer.metadata), answer.violations, kinds


def _unknown(target: Target) -> Answer:
    request = GetSessionRequest(session_id=target.unique("nobody"))
    return rpcs.GET_SESSION.refused(target, request, reason="SESSION_NOT_FOUND")


@requirement("CAT-SES-008")
def test_a_closed_session_answers_as_an_unknown_one(target: Target) -> None:
    session_id = rpcs.CREATE_SESSION.ok(target, CreateSessionRequest()).session_id
    rpcs.CLOSE_SESSION.ok(target, CloseSessionRequest(session_id=session_id))
    closed = rpcs.GET_SESSION.answer(target, GetSessionRequest(session_id=session_id))
    assert _shape(closed) == _shape(_unknown(target)), f"{closed}"


@requirement("CAT-SES-008", "CAT-SES-020")
@needs_two_tenants
def test_a_foreign_session_answers_as_an_unknown_one(target: Target, second_token: str) -> None:
    session_id = rpcs.CREATE_SESSION.ok(target, CreateSessionRequest()).session_id
    foreign = rpcs.GET_SESSION.answer(target, GetSessionRequest(session_id=session_id), token=second_token)
    assert _shape(foreign) == _shape(_unknown(target)), f"{foreign}"
    closing = CloseSessionRequest(session_id=session_id)
    rpcs.CLOSE_SESSION.refused(target, closing, reason="SESSION_NOT_FOUND", token=second_token)
    rpcs.GET_SESSION.ok(target, GetSessionRequest(session_id=session_id))


@requirement("CAT-SES-020")
def test_closing_a_session_that_the_caller_never_had_is_refused(target: Target) -> None:
    request = CloseSessionRequest(session_id=target.unique("never"))
    rpcs.CLOSE_SESSION.refused(target, request, reason="SESSION_NOT_FOUND")
