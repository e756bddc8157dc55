from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from fake_runtime import TIMES

from catenary_server.domain.failure import Failure, Reason
from catenary_server.domain.profiling import ProfilingChange
from catenary_server.domain.training import Stage

if TYPE_CHECKING:
    from application import Application

ON = ProfilingChange(enabled=True)


async def test_a_session_without_a_pipeline_has_nothing_to_measure(app: Application) -> None:
    session = app.session()
    for asked in (app.profiling.change(session, ON), app.profiling.summary(session, None)):
        with pytest.raises(Failure) as caught:
            await asked
        assert caught.value.reason is Reason.STATE_INVALID


async def test_the_worker_measures(app: Application) -> None:
    session = await app.loaded()
    assert await app.profiling.change(session, ON) is True
    assert app.runtime.worker.profiling is ON
    assert await app.profiling.summary(session, None) == TIMES
    assert {times.stage for times in await app.profiling.summary(session, Stage.TRAIN)} == {Stage.TRAIN}
