"""Measuring how long the nodes of a session's pipeline take."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from catenary_server.application.session import Session
    from catenary_server.domain.profiling import NodeTimes, ProfilingChange
    from catenary_server.domain.training import Stage


class Profiling:
    """Use cases around the times of nodes. They answer at once, also while the session trains."""

    async def change(self, session: Session, change: ProfilingChange) -> bool:
        """Set what is measured from now on; whether anything is.

        Raises:
            Failure: STATE_INVALID without a pipeline, SESSION_CLOSING.
        """
        with session.engaged() as pipeline:
            return await pipeline.worker.set_profiling(change)

    async def summary(self, session: Session, stage: Stage | None) -> tuple[NodeTimes, ...]:
        """What was measured, in graph order, of one stage or of all.

        Raises:
            Failure: STATE_INVALID without a pipeline, SESSION_CLOSING.
        """
        with session.engaged() as pipeline:
            return await pipeline.worker.profile(stage)
