"""The transition table of sessions is closed and ends."""

from __future__ import annotations

from catenary_server.domain.session import LEGAL, SessionState


def test_every_state_has_its_transitions_and_can_end() -> None:
    assert set(LEGAL) == set(SessionState)
    for state, following in LEGAL.items():
        assert state not in following
        assert (SessionState.CLOSING in following) == (state is not SessionState.CLOSING)
