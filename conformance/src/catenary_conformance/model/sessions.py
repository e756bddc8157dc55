"""Sessions as the contract says they behave: a model without a server, and the machine that holds a target to it."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from hypothesis import strategies as st
from hypothesis.stateful import Bundle, MultipleResults, RuleBasedStateMachine, multiple, rule

from catenary.v1.session_requests_pb2 import (
    CloseSessionRequest,
    CreateSessionRequest,
    GetSessionRequest,
    SetSessionSearchPathsRequest,
)
from catenary_conformance import rpcs
from catenary_conformance.pages import walk

if TYPE_CHECKING:
    from collections.abc import Sequence

    from catenary_conformance.target import Target

COLOURS = ("red", "blue")
KEYS = ("", "k1", "k2")
OUTSIDE = "/"
"""A directory that no server searches."""


@dataclasses.dataclass(slots=True)
class SessionModel:
    """What a session has."""

    colour: str
    search_paths: list[str]
    closed: bool = False


@dataclasses.dataclass(slots=True)
class SessionsModel:
    """The sessions of one caller.

    Attributes:
        roots: what a new session searches.
        sessions: by their ids, oldest first.
        requests: colour and id of the session that a request id made.
    """

    roots: list[str]
    sessions: dict[str, SessionModel] = dataclasses.field(default_factory=dict)
    requests: dict[str, tuple[str, str]] = dataclasses.field(default_factory=dict)

    def created(self, session_id: str, colour: str, request_id: str) -> None:
        """A session was made."""
        self.sessions[session_id] = SessionModel(colour, list(self.roots))
        if request_id:
            self.requests[request_id] = (colour, session_id)

    def search(self, session_id: str, accepted: Sequence[str], *, append: bool) -> list[str]:
        """Search paths after they were set; without any, the roots."""
        session = self.sessions[session_id]
        session.search_paths = [*(session.search_paths if append else ()), *accepted] or list(self.roots)
        return session.search_paths

    def listed(self, colour: str) -> list[str]:
        """Ids of the open sessions of a colour, oldest first."""
        return [key for key, each in self.sessions.items() if each.colour == colour and not each.closed]


class SessionsMachine(RuleBasedStateMachine):
    """Creates, retries, looks at, lists, changes and closes sessions.

    Args:
        target: the server.
        roots: search paths of a new session.
        inside: a directory below them.
    """

    ids = Bundle("ids")

    def __init__(self, target: Target, roots: Sequence[str], inside: str) -> None:
        super().__init__()
        target.begin_example()
        self._target = target
        self._inside = inside
        self._label = target.unique("machine")
        self._model = SessionsModel(list(roots))

    @rule(target=ids, colour=st.sampled_from(COLOURS), key=st.sampled_from(KEYS))
    def create(self, colour: str, key: str) -> str | MultipleResults[str]:
        """Create a session, or ask again for one by its request id."""
        request_id = f"{self._label}-{key}" if key else ""
        made_before = self._model.requests.get(request_id)
        if made_before and self._model.sessions[made_before[1]].closed:
            return multiple()  # what a retry for a closed session answers is open
        labels = {"case": self._label, "colour": colour}
        answer = rpcs.CREATE_SESSION.answer(self._target, CreateSessionRequest(request_id=request_id, labels=labels))
        if made_before is None:
            session_id: str = answer.expect_ok().session_id
            assert session_id not in self._model.sessions, "an id was given twice"
            self._model.created(session_id, colour, request_id)
            return session_id
        if made_before[0] != colour:
            rpcs.expect_reason(answer, "IDEMPOTENCY_CONFLICT")
        else:
            assert answer.expect_ok().session_id == made_before[1], "a retry made another session"
        return multiple()

    @rule(session_id=ids)
    def get(self, session_id: str) -> None:
        """An open session is as it was made; a closed one is not found."""
        model = self._model.sessions[session_id]
        answer = rpcs.GET_SESSION.answer(self._target, GetSessionRequest(session_id=session_id))
        if model.closed:
            rpcs.expect_reason(answer, "SESSION_NOT_FOUND")
            return
        session = answer.expect_ok().session
        assert dict(session.labels) == {"case": self._label, "colour": model.colour}
        assert list(session.search_paths) == model.search_paths

    @rule(session_id=ids)
    def close(self, session_id: str) -> None:
        """Closing succeeds, also when the session is closed."""
        rpcs.CLOSE_SESSION.ok(self._target, CloseSessionRequest(session_id=session_id))
        self._model.sessions[session_id].closed = True

    @rule(session_id=ids, good=st.booleans(), bad=st.booleans(), append=st.sampled_from([None, True, False]))
    def search(self, session_id: str, good: bool, bad: bool, append: bool | None) -> None:  # noqa: FBT001 - drawn
        """Set search paths: one that is accepted, one that is rejected, both or none."""
        model = self._model.sessions[session_id]
        appends = append is not False
        accepted = [self._inside] if good and not (appends and self._inside in model.search_paths) else []
        rejected = [OUTSIDE] if bad else []
        request = SetSessionSearchPathsRequest(
            session_id=session_id, search_paths=[*rejected, *accepted], append=append
        )
        answer = rpcs.SET_SEARCH_PATHS.answer(self._target, request)
        if model.closed:
            rpcs.expect_reason(answer, "SESSION_NOT_FOUND")
            return
        response = answer.expect_ok()
        assert list(response.rejected_paths) == rejected
        assert list(response.current_paths) == self._model.search(session_id, accepted, append=appends)

    @rule(colour=st.sampled_from(COLOURS), page_size=st.integers(0, 3))
    def list(self, colour: str, page_size: int) -> None:
        """The open sessions of a colour, each once, oldest first."""
        labels = {"case": self._label, "colour": colour}
        found = walk(self._target, rpcs.LIST_SESSIONS, "sessions", page_size=page_size, labels=labels)
        assert [each.session_id for each in found] == self._model.listed(colour)

    def teardown(self) -> None:
        """Leave nothing open."""
        for session_id, model in self._model.sessions.items():
            if not model.closed:
                self._target.quiet_call("CloseSession", CloseSessionRequest(session_id=session_id))
