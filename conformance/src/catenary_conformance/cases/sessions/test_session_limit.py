"""Beyond its limit of sessions a server refuses new ones, and nothing else changes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from catenary.v1.discovery_service_pb2 import GetServerInfoRequest
from catenary.v1.session_requests_pb2 import CloseSessionRequest, CreateSessionRequest, GetSessionRequest
from catenary_conformance import rpcs
from catenary_conformance.presuming import presuming
from catenary_conformance.requirement import destructive, requirement

if TYPE_CHECKING:
    from catenary_conformance.target import Target

_MOST = 200
"""Sessions that the case is willing to open."""


def _free_places(target: Target) -> int:
    limits = rpcs.GET_SERVER_INFO.ok(target, GetServerInfoRequest()).limits.sessions
    free = [each.total - each.used for each in (limits.server, limits.principal) if each.total]
    if not free:
        pytest.skip("the target states no limit of sessions")
    return min(free)


@requirement("CAT-SES-004", "CAT-DIS-002")
@destructive
def test_beyond_the_limit_creating_is_refused_and_the_sessions_there_are_go_on(target: Target) -> None:
    free = _free_places(target)
    if free > _MOST:
        pytest.skip(f"{free} sessions are free; start the target with a limit of at most {_MOST}")
    ids: list[str] = []
    try:
        while len(ids) <= free:
            answer = rpcs.CREATE_SESSION.answer(target, CreateSessionRequest())
            if not answer.ok:
                break
            ids.append(answer.response.session_id)
        else:
            pytest.fail(f"the limit leaves {free} places, and {len(ids)} sessions were made")
        rpcs.expect_reason(answer, "QUOTA_SESSIONS")
        assert ids, "there was a free place, and no session was made"
        rpcs.GET_SERVER_INFO.ok(target, GetServerInfoRequest())
        rpcs.GET_SESSION.ok(target, GetSessionRequest(session_id=ids[0]))
    finally:
        for session_id in ids:
            rpcs.CLOSE_SESSION.answer(target, CloseSessionRequest(session_id=session_id))
    with presuming("CAT-SES-017"):
        rpcs.CREATE_SESSION.ok(target, CreateSessionRequest())
