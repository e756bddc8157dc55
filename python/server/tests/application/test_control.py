from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from catenary_server.application.runs import TrainRequest
from catenary_server.domain.control import Applied, Command, ControlAction
from catenary_server.domain.failure import Failure, Reason
from catenary_server.domain.training import Phase, Stage, TrainStatus

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from application import Application

    from catenary_server.application.session import Session


async def training(app: Application) -> tuple[Session, asyncio.Task[None]]:
    """A session whose run has said something and waits."""
    session = await app.loaded()
    app.runtime.held = True

    async def follow() -> None:
        async for _ in app.training.train(session, TrainRequest(phase=Phase.GRADIENT)):
            pass

    following = asyncio.create_task(follow())
    await app.runtime.reached("train")
    app.runtime.worker.proceed()
    assert session.run is not None
    await session.run.begun()
    return session, following


async def refusal(asked: Awaitable[Applied]) -> Reason:
    with pytest.raises(Failure) as caught:
        await asked
    return caught.value.reason


async def test_commands_go_to_the_run_and_come_back_with_where_they_took_effect(app: Application) -> None:
    session, following = await training(app)
    assert await app.control.pause(session) == Applied(3, TrainStatus.IN_PROGRESS, TrainStatus.PAUSED)
    await app.control.resume(session)
    assert await app.control.set_learning_rate(session, 0.25) == Applied(3, 0.5, 0.25)
    assert (await app.control.set_batch_size(session, 4)).new == 4
    assert [command.action for command in app.runtime.worker.commands] == [
        ControlAction.PAUSE,
        ControlAction.RESUME,
        ControlAction.LEARNING_RATE,
        ControlAction.BATCH_SIZE,
    ]
    app.runtime.worker.proceed(10)
    await following


async def test_a_stop_is_answered_when_the_run_has_ended(app: Application) -> None:
    session, following = await training(app)
    assert await app.control.stop(session) == Applied(0, TrainStatus.IN_PROGRESS, TrainStatus.CANCELLED)
    assert session.working is None
    await following


async def test_a_run_that_ends_before_its_stop_was_not_stopped(app: Application) -> None:
    session, following = await training(app)
    app.runtime.worker.proceed(10)
    assert await refusal(app.control.stop(session)) is Reason.STATE_INVALID
    await following


async def test_arguments_are_checked_before_anyone_is_asked(app: Application) -> None:
    session = await app.loaded()
    assert await refusal(app.control.set_learning_rate(session, -1)) is Reason.COMMAND_INVALID
    assert await refusal(app.control.set_batch_size(session, 0)) is Reason.COMMAND_INVALID
    assert app.runtime.worker.commands == []


async def test_only_the_run_that_is_meant_is_steered(app: Application) -> None:
    session = await app.loaded()
    assert await refusal(app.control.pause(session)) is Reason.STATE_INVALID
    session, following = await training(app)
    assert session.run is not None
    pause = Command(ControlAction.PAUSE)
    assert await refusal(app.control.apply(session, pause, "another")) is Reason.RUN_NOT_FOUND
    await app.control.apply(session, pause, session.run.run_id)
    app.runtime.worker.proceed(10)
    await following
    assert await refusal(app.control.apply(session, pause, session.run.run_id)) is Reason.STATE_INVALID


async def test_an_evaluation_cannot_be_steered(app: Application) -> None:
    session = await app.loaded()
    app.runtime.held = True
    events = app.training.evaluate(session, Stage.TEST)
    app.runtime.worker.proceed()
    await anext(events)
    assert await refusal(app.control.pause(session)) is Reason.COMMAND_INVALID
    app.runtime.worker.proceed(10)
    async for _ in events:
        pass
