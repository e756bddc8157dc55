"""Trainings of a fake runtime as runs of a real store."""

from __future__ import annotations

import asyncio
import dataclasses
import json
from typing import TYPE_CHECKING

import pytest
from fake_runtime import PLAN
from served_telemetry import DEADLINE

from catenary.telemetry.v1 import stream_pb2, training_pb2
from catenary_server.application import telemetry_publishing
from catenary_server.application.runs import TrainRequest
from catenary_server.application.telemetry import Telemetry
from catenary_server.application.telemetry_publishing import RunPublisher, capabilities
from catenary_server.application.telemetry_upkeep import Retention
from catenary_server.application.training import Training
from catenary_server.domain.failure import Failure, Reason
from catenary_server.domain.progress import Progress
from catenary_server.domain.telemetry import Command, CommandType, TelemetryLimits, TrainingStatus, WriterState
from catenary_server.domain.telemetry_message import Kind
from catenary_server.domain.training import Phase
from catenary_server.storage.telemetry.store import LocalTelemetryStore
from catenary_server.transport.codec.telemetry_message import TelemetryCodec
from catenary_server.transport.codec.telemetry_report import TelemetryReportCodec
from catenary_server.transport.interceptors.rules import FieldRules

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from application import Application

    from catenary_server.application.session import Session
    from catenary_server.application.telemetry_live import LiveRun

OWNER = "anonymous"
GRADIENT = TrainRequest(phase=Phase.GRADIENT)


class StallingStore(LocalTelemetryStore):
    """A store whose disk keeps up while `flowing` is set."""

    def __init__(self, root: Path) -> None:
        super().__init__(root, commit_interval=0.01)
        self.flowing = asyncio.Event()
        self.flowing.set()
        self.asked = asyncio.Event()

    async def room(self, seconds: float) -> bool:
        self.asked.set()
        await self.flowing.wait()
        return await super().room(seconds)


@dataclasses.dataclass(frozen=True)
class Recorded:
    """Use cases of training whose runs are recorded."""

    app: Application
    telemetry: Telemetry
    store: StallingStore
    publisher: RunPublisher
    training: Training

    async def trained(self, session: Session, request: TrainRequest = GRADIENT) -> str:
        """Train to the end; returns the id of the run."""
        events = [event.progress async for event in self.training.train(session, request)]
        return events[0].run_id

    async def live(self) -> LiveRun:
        """The only run, once its record has begun."""
        async with asyncio.timeout(DEADLINE):
            await self.store.asked.wait()
            (run,) = self.telemetry.runs
            await run.until(lambda: run.state.status is TrainingStatus.RUNNING)
        return run

    async def run(self, run_id: str) -> LiveRun:
        """The run, once its record is complete."""
        await asyncio.wait_for(self.publisher.close(DEADLINE), DEADLINE)
        return self.telemetry.runs.find(OWNER, run_id)


@pytest.fixture
async def recorded(app: Application, tmp_path: Path) -> AsyncIterator[Recorded]:
    limits, store = TelemetryLimits(), StallingStore(tmp_path / "telemetry")
    telemetry = await Telemetry.start(store, TelemetryCodec(FieldRules(), limits), limits, Retention())
    async with telemetry.running():
        publisher = RunPublisher(telemetry, TelemetryReportCodec(), app.control)
        training = Training(pipelines=app.pipelines, configs=app.source, publisher=publisher)
        yield Recorded(app, telemetry, store, publisher, training)
        store.flowing.set()
        await publisher.close(0)


async def messages(run: LiveRun) -> list[stream_pb2.StreamTelemetryRequest]:
    entries = await run.read(0, most_bytes=1 << 30)
    return [
        stream_pb2.StreamTelemetryRequest.FromString(each.payload) for each in entries if each.kind.said_by_training
    ]


def command(kind: CommandType, argument: float | None = None, command_id: str = "c") -> Command:
    return Command(command_id, kind, argument, create_time=0.0, expire_time=0.0)


async def test_a_run_is_recorded_under_its_own_id_for_its_owner(recorded: Recorded) -> None:
    session = await recorded.app.loaded()
    run_id = await recorded.trained(session)
    run = await recorded.run(run_id)
    assert (run.state.status, run.state.writer_state) == (TrainingStatus.COMPLETED, WriterState.CLOSED)
    assert run.state.tags == {
        "trainrun": "small",
        "pipeline": "small",
        "phase": "gradient",
        "session": session.session_id,
    }
    config = training_pb2.TrainingConfig.FromString(run.state.config)
    assert (config.model_name, config.dataset_name, config.hyperparameters["seed"]) == ("small", "synthetic", "1")
    with pytest.raises(Failure):
        recorded.telemetry.runs.find("somebody else", run_id)


async def test_a_run_that_never_started_is_not_recorded(recorded: Recorded) -> None:
    recorded.app.runtime.plan = (Failure(Reason.DATASET_INVALID, "no"),)
    with pytest.raises(Failure):
        await recorded.trained(await recorded.app.loaded())
    await recorded.publisher.close(DEADLINE)
    assert not list(recorded.telemetry.runs)


async def test_a_failed_run_ends_as_failed_with_its_reason(recorded: Recorded) -> None:
    recorded.app.runtime.plan = (*PLAN[:2], Failure(Reason.NON_FINITE_LOSS, "the loss is not finite"))
    run = await recorded.run(await recorded.trained(await recorded.app.loaded()))
    assert (run.state.status, run.state.failure) == (TrainingStatus.FAILED, "the loss is not finite")


async def test_a_disk_that_stands_still_never_holds_the_training_up(recorded: Recorded) -> None:
    recorded.store.flowing.clear()
    run_id = await recorded.trained(await recorded.app.loaded())
    await asyncio.wait_for(recorded.store.asked.wait(), DEADLINE)
    run = recorded.telemetry.runs.find(OWNER, run_id)
    assert run.state.status is TrainingStatus.INITIALIZING
    recorded.store.flowing.set()
    assert (await recorded.run(run_id)).state.status is TrainingStatus.COMPLETED


async def test_events_that_a_slow_disk_missed_are_counted_in_the_log(
    recorded: Recorded, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("catenary_server.application.runs.KEPT_EVENTS", 4)
    recorded.app.runtime.plan = (*(Progress(global_step=step, losses={"l": 1.0}) for step in range(50)), "done")
    recorded.store.flowing.clear()
    run_id = await recorded.trained(await recorded.app.loaded())
    recorded.store.flowing.set()
    run = await recorded.run(run_id)
    texts = [message.status_update.message for message in await messages(run)]
    assert any("events are missing here" in text for text in texts)
    assert run.state.status is TrainingStatus.COMPLETED


async def test_a_record_that_broke_is_taken_up_again_and_told_to_its_end(
    recorded: Recorded, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(telemetry_publishing, "TRIES", (0.0, 0.0, 0.0))
    recorded.app.runtime.held = True
    session = await recorded.app.loaded()
    training = asyncio.create_task(recorded.trained(session))
    await recorded.app.runtime.reached("train")
    recorded.app.runtime.worker.proceed(2)
    run = await recorded.live()
    assert run.writer is not None
    run.writer.end(Failure(Reason.STORAGE_IO, "the disk broke"))
    run.last_heard = -1e9  # its heartbeats have stopped for long
    recorded.app.runtime.worker.proceed(10)
    run = await recorded.run(await training)
    assert run.state.status is TrainingStatus.COMPLETED
    assert "the record goes on here" in " ".join(each.status_update.message for each in await messages(run))


async def test_commands_are_obeyed_and_their_results_recorded_before_the_end(recorded: Recorded) -> None:
    recorded.app.runtime.held = True
    session = await recorded.app.loaded()
    training = asyncio.create_task(recorded.trained(session))
    await recorded.app.runtime.reached("train")
    recorded.app.runtime.worker.proceed()
    run = await recorded.live()
    asked = command(CommandType.CHANGE_LEARNING_RATE, 0.25)
    answer = await recorded.telemetry.commands.send(OWNER, run.state.run_id, asked, wait=DEADLINE)
    assert answer.result is not None
    stop = command(CommandType.STOP_TRAINING, command_id="s")
    stopped = await recorded.telemetry.commands.send(OWNER, run.state.run_id, stop, wait=DEADLINE)
    assert stopped.result is not None
    await training
    run = await recorded.run(run.state.run_id)
    kinds = [entry.kind for entry in await run.read(0, most_bytes=1 << 30)]
    assert kinds.index(Kind.ENDED) > max(index for index, kind in enumerate(kinds) if kind is Kind.RESULT)
    results = [each.command_result for each in await messages(run) if each.HasField("command_result")]
    applied = results[0].applied
    assert (applied.applied_at_step, applied.old_setting.learning_rate, applied.new_setting.learning_rate) == (
        3,
        0.5,
        0.25,
    )
    assert results[1].applied.new_setting.status == training_pb2.TRAINING_STATUS_CANCELLED
    (heard,) = recorded.app.runtime.worker.commands
    assert heard.expire_time is not None
    assert heard.expire_time < answer.command.expire_time


async def test_statistics_obey_no_command_that_changes_a_number(recorded: Recorded) -> None:
    kinds = {capability.type for capability in capabilities(Phase.STATISTICAL)}
    assert kinds == {CommandType.PAUSE_TRAINING, CommandType.RESUME_TRAINING, CommandType.STOP_TRAINING}
    assert kinds < {capability.type for capability in capabilities(Phase.GRADIENT)}
    run = await recorded.run(await recorded.trained(await recorded.app.loaded(), TrainRequest(phase=Phase.STATISTICAL)))
    assert {capability.type for capability in run.state.commands} == kinds


async def test_paths_of_the_server_stay_out_of_the_record(recorded: Recorded, tmp_path: Path) -> None:
    (tmp_path / "data" / "scene.npz").write_bytes(b"")
    session = await recorded.app.loaded()
    data = json.dumps({"source": "file", "path": "scene.npz"}).encode()
    run = await recorded.run(await recorded.trained(session, TrainRequest(phase=Phase.GRADIENT, data=data)))
    assert training_pb2.TrainingConfig.FromString(run.state.config).dataset_name == "scene.npz"
    assert str(tmp_path).encode() not in run.state.config
