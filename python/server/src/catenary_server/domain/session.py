"""A client's isolated place on the server, and the states it goes through."""

from __future__ import annotations

import enum


class SessionState(enum.StrEnum):
    """State of a session; `LEGAL` has the transitions. CLOSING is final."""

    IDLE = "IDLE"
    LOADING = "LOADING"
    READY = "READY"
    TRAINING = "TRAINING"
    FAILED = "FAILED"
    CLOSING = "CLOSING"


LEGAL: dict[SessionState, frozenset[SessionState]] = {
    SessionState.IDLE: frozenset({SessionState.LOADING, SessionState.CLOSING}),
    SessionState.LOADING: frozenset({SessionState.IDLE, SessionState.READY, SessionState.FAILED, SessionState.CLOSING}),
    SessionState.READY: frozenset(
        {SessionState.LOADING, SessionState.TRAINING, SessionState.FAILED, SessionState.CLOSING}
    ),
    SessionState.TRAINING: frozenset({SessionState.READY, SessionState.FAILED, SessionState.CLOSING}),
    SessionState.FAILED: frozenset({SessionState.LOADING, SessionState.CLOSING}),
    SessionState.CLOSING: frozenset(),
}
"""Which state may follow which. A failed load without a pipeline returns to IDLE, with one to READY."""
