"""ListSessions gives the caller's sessions, each once, page by page, by their labels."""

from __future__ import annotations

from typing import TYPE_CHECKING

from catenary.v1.session_requests_pb2 import CloseSessionRequest, CreateSessionRequest, ListSessionsRequest
from catenary_conformance import rpcs
from catenary_conformance.pages import walk
from catenary_conformance.requirement import needs_two_tenants, requirement

if TYPE_CHECKING:
    from catenary_conformance.target import Target

_SESSIONS = 7


def _create(target: Target, **labels: str) -> str:
    return rpcs.CREATE_SESSION.ok(target, CreateSessionRequest(labels=labels)).session_id


@requirement("CAT-SES-012")
def test_following_the_page_tokens_gives_every_session_once_oldest_first(target: Target) -> None:
    label = target.unique("pages")
    made = [_create(target, case=label) for _ in range(_SESSIONS)]
    for page_size in (1, 2, 3, _SESSIONS - 1, _SESSIONS, _SESSIONS + 1):
        listed = walk(target, rpcs.LIST_SESSIONS, "sessions", page_size=page_size, labels={"case": label})
        assert [each.session_id for each in listed] == made, f"with pages of {page_size}"


@requirement("CAT-SES-012")
def test_a_session_closed_between_two_pages_costs_no_other_its_place(target: Target) -> None:
    label = target.unique("edge")
    made = [_create(target, case=label) for _ in range(_SESSIONS)]
    first = rpcs.LIST_SESSIONS.ok(target, ListSessionsRequest(page_size=3, labels={"case": label}))
    rpcs.CLOSE_SESSION.ok(target, CloseSessionRequest(session_id=made[0]))
    rest: list[str] = []
    page = first
    while page.next_page_token:
        request = ListSessionsRequest(page_size=3, labels={"case": label}, page_token=page.next_page_token)
        page = rpcs.LIST_SESSIONS.ok(target, request)
        rest += [each.session_id for each in page.sessions]
    assert [each.session_id for each in first.sessions] + rest == made


@requirement("CAT-SES-013")
def test_labels_leave_only_sessions_that_carry_all_of_them(target: Target) -> None:
    label = target.unique("labels")
    both = _create(target, case=label, colour="red", shape="round")
    _create(target, case=label, colour="red")
    _create(target, case=label, shape="round", colour="blue")
    _create(target, colour="red", shape="round")
    wanted = {"case": label, "colour": "red", "shape": "round"}
    listed = rpcs.LIST_SESSIONS.ok(target, ListSessionsRequest(labels=wanted)).sessions
    assert [each.session_id for each in listed] == [both]
    assert dict(listed[0].labels) == wanted


@requirement("CAT-SES-012")
def test_a_page_token_that_the_server_never_gave_is_refused(target: Target) -> None:
    request = ListSessionsRequest(page_token=target.unique("token"))
    rpcs.LIST_SESSIONS.refused(target, request, reason="FIELD_INVALID")


@requirement("CAT-SES-013")
def test_a_page_token_of_other_labels_is_refused(target: Target) -> None:
    label = target.unique("token")
    for _ in range(2):
        _create(target, case=label)
    token = rpcs.LIST_SESSIONS.ok(target, ListSessionsRequest(page_size=1, labels={"case": label})).next_page_token
    assert token, "two sessions fit on a page of one"
    request = ListSessionsRequest(page_size=1, labels={"case": "another"}, page_token=token)
    rpcs.LIST_SESSIONS.refused(target, request, reason="FIELD_INVALID")


@requirement("CAT-SES-011")
@needs_two_tenants
def test_a_list_holds_the_callers_sessions_and_no_others(target: Target, second_token: str) -> None:
    label = target.unique("tenants")
    mine = _create(target, case=label)
    request = CreateSessionRequest(labels={"case": label})
    theirs = rpcs.CREATE_SESSION.ok(target, request, token=second_token).session_id
    listed = walk(target, rpcs.LIST_SESSIONS, "sessions", labels={"case": label})
    assert [each.session_id for each in listed] == [mine]
    foreign = walk(target, rpcs.LIST_SESSIONS, "sessions", labels={"case": label}, token=second_token)
    assert [each.session_id for each in foreign] == [theirs]


@requirement("CAT-SES-011")
def test_a_closed_session_is_not_listed(target: Target) -> None:
    label = target.unique("closed")
    session_id = _create(target, case=label)
    rpcs.CLOSE_SESSION.ok(target, CloseSessionRequest(session_id=session_id))
    assert not walk(target, rpcs.LIST_SESSIONS, "sessions", labels={"case": label})
