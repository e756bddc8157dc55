from __future__ import annotations

import asyncio

import pytest

from catenary_server.application import runs
from catenary_server.application.runs import Run, RunEvent, TrainRequest
from catenary_server.domain.failure import Failure, Reason
from catenary_server.domain.progress import Progress
from catenary_server.domain.training import Phase, TrainStatus

END = Progress(status=TrainStatus.COMPLETED)


async def collected(run: Run, after: int = 0) -> list[RunEvent]:
    return [event async for event in run.events(after)]


async def test_everyone_who_watches_sees_every_event_once_in_order() -> None:
    run = Run(TrainRequest(phase=Phase.GRADIENT))
    early = asyncio.create_task(collected(run))
    for _ in range(3):
        await run.publish(Progress())
    late = asyncio.create_task(collected(run))
    await run.publish(END)
    for events in (await early, await late, await collected(run)):
        assert [event.progress.sequence for event in events] == [1, 2, 3, 4]
        assert all(event.dropped == 0 for event in events)
    assert run.finished
    assert {event.progress.run_id for event in await collected(run)} == {run.run_id}
    assert {event.progress.phase for event in await collected(run)} == {Phase.GRADIENT}


async def test_watching_goes_on_behind_a_sequence_number() -> None:
    run = Run()
    for progress in (Progress(), Progress(), END):
        await run.publish(progress)
    assert [event.progress.sequence for event in await collected(run, after=2)] == [3]
    assert await collected(run, after=3) == []


async def test_what_is_no_longer_kept_is_counted_but_first_and_last_are_there(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(runs, "KEPT_EVENTS", 3)
    run = Run()
    for _ in range(9):
        await run.publish(Progress())
    await run.publish(END)
    whole = await collected(run)
    assert [event.progress.sequence for event in whole] == [1, 8, 9, 10]
    assert [event.dropped for event in whole] == [0, 6, 0, 0]
    part = await collected(run, after=4)
    assert [(event.progress.sequence, event.dropped) for event in part] == [(8, 3), (9, 0), (10, 0)]


async def test_whoever_waits_for_a_run_that_cannot_start_gets_the_reason() -> None:
    run = Run()
    waiting = [asyncio.create_task(collected(run)), asyncio.create_task(run.begun())]
    await asyncio.sleep(0)
    await run.fail_to_start(Failure(Reason.DATASET_NOT_FOUND, "no data"))
    for task in waiting:
        with pytest.raises(Failure, match="no data"):
            await task
    assert run.finished
    assert run.latest is None


async def test_a_run_has_begun_with_its_first_event_and_ended_with_its_final_one() -> None:
    run = Run()
    begun, ended = asyncio.create_task(run.begun()), asyncio.create_task(run.ended())
    await run.publish(Progress(message="first"))
    assert (await begun).message == "first"
    assert not ended.done()
    await run.publish(END)
    await ended


async def test_a_run_is_abandoned_when_it_is_followed_by_none_and_wanted_so() -> None:
    for request, wanted in (
        (TrainRequest(phase=Phase.GRADIENT), False),
        (TrainRequest(phase=Phase.GRADIENT, cancel_on_disconnect=True), True),
        (None, True),
    ):
        run = Run(request)
        with run.followed(), run.followed():
            assert not run.abandoned
        assert run.abandoned is wanted
        await run.publish(END)
        assert not run.abandoned
