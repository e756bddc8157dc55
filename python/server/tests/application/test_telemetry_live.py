"""What readers of a run's log get when the log goes away under them."""

from __future__ import annotations

from typing import Any, NoReturn

import pytest

from catenary_server.application.telemetry_live import LiveRun
from catenary_server.domain.failure import Failure, Reason
from catenary_server.domain.telemetry_run import RunState


class VanishingStore:
    """A store whose files are removed between being found and being opened."""

    async def read(self, *_: object, **__: object) -> NoReturn:
        raise Failure(Reason.STORAGE_IO, "no such file")


async def read(run: LiveRun) -> Reason:
    with pytest.raises(Failure) as told:
        await run.read(0, most_bytes=1000)
    return told.value.reason


async def test_a_reader_whose_log_was_removed_learns_why_the_run_ended() -> None:
    store: Any = VanishingStore()
    run = LiveRun(RunState(run_id="run", key="key", principal="ann", create_time=0.0), store)
    assert await read(run) is Reason.STORAGE_IO
    run.on_failed(Failure(Reason.STREAM_SUPERSEDED, "the run was deleted"))
    assert await read(run) is Reason.STREAM_SUPERSEDED
