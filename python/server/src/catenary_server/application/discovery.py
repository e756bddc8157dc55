"""What the server tells about itself."""

from __future__ import annotations

import dataclasses
import secrets
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from catenary_server.application.sessions import Sessions, SessionUse
    from catenary_server.domain.node import NodeSpec
    from catenary_server.domain.runtime import Catalog, Device


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ServerFacts:
    """A server at one moment. `epoch` differs after every start; `start_time` is Unix seconds."""

    epoch: str
    start_time: float
    devices: tuple[Device, ...]
    sessions: SessionUse


class Discovery:
    """Describes the server and its node types. Changes nothing."""

    def __init__(self, *, sessions: Sessions, catalog: Catalog) -> None:
        self._sessions = sessions
        self._catalog = catalog
        self._epoch = secrets.token_hex(8)
        self._start_time = time.time()

    def server(self, principal: str) -> ServerFacts:
        """Epoch, devices, and how many sessions there are and may be, as the principal sees it."""
        return ServerFacts(
            epoch=self._epoch,
            start_time=self._start_time,
            devices=self._catalog.devices,
            sessions=self._sessions.use(principal),
        )

    def nodes(self, principal: str, session_id: str) -> tuple[NodeSpec, ...]:
        """Node types that a pipeline can be made of, sorted by class name; all are built in, so every session has them.

        Raises:
            Failure: SESSION_NOT_FOUND if a session is named that the principal does not have.
        """
        if session_id:
            self._sessions.find(principal, session_id)
        return tuple(self._catalog.nodes[name] for name in sorted(self._catalog.nodes))
