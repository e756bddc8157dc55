"""Trainings on this server as runs of telemetry: told as they go on, and steered by the same commands as others.

Telling a run reads its events like any watcher, at the pace of the disk: a disk that is slow or full costs records,
which are counted, and never a step of the training.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib.metadata
import logging
import pathlib
import time
from typing import TYPE_CHECKING, Final

from catenary_server.application.telemetry_narration import STATUSES, Narrator
from catenary_server.application.telemetry_writer import LocalWriter
from catenary_server.domain.control import BOUNDS, Command, ControlAction
from catenary_server.domain.failure import Failure, Reason
from catenary_server.domain.telemetry import Capability, CommandType, Registration
from catenary_server.domain.telemetry_report import ObeyedReport, Setup, StatusReport
from catenary_server.domain.training import Phase, TrainStatus

if TYPE_CHECKING:
    from collections.abc import Mapping

    from catenary_server.application.control import Control
    from catenary_server.application.runs import Run, RunEvent
    from catenary_server.application.session import Session
    from catenary_server.application.telemetry import Telemetry
    from catenary_server.domain import telemetry as told
    from catenary_server.domain.telemetry_report import ReportCodec
    from catenary_server.domain.training import TrainRunConfig

log = logging.getLogger(__name__)

ACTIONS: Final[Mapping[CommandType, ControlAction]] = {
    CommandType.PAUSE_TRAINING: ControlAction.PAUSE,
    CommandType.RESUME_TRAINING: ControlAction.RESUME,
    CommandType.STOP_TRAINING: ControlAction.STOP,
    CommandType.ADJUST_BATCH_SIZE: ControlAction.BATCH_SIZE,
    CommandType.CHANGE_LEARNING_RATE: ControlAction.LEARNING_RATE,
}
TRIES: Final = (0.5, 5.0, 30.0)
"""Seconds before a run whose record failed is taken up again; after the last one it is given up."""
LAST_ANSWERS_SECONDS: Final = 10.0
"""How long the end of a run waits for commands that are being answered."""
EXPIRY_MARGIN_SECONDS: Final = 0.25
"""A command is withheld from a run so long before it expires, so that it is never refused and obeyed both."""
ANNOUNCEMENT_SECONDS: Final = 1.0
"""How long those who follow a run are kept waiting for a slow disk before the first event."""
LONGEST_TAG: Final = 256


class RunPublisher:
    """Makes runs of telemetry out of phases of training. Used on the event loop only.

    Args:
        telemetry: the use cases of telemetry.
        codec: encodes what is told.
        control: steers runs.
    """

    def __init__(self, telemetry: Telemetry, codec: ReportCodec, control: Control) -> None:
        self.telemetry = telemetry
        self.codec = codec
        self.control = control
        self._tasks: set[asyncio.Task[None]] = set()

    def publish(self, session: Session, run: Run, config: TrainRunConfig) -> None:
        """Tell a run that has just been started, from its first event to its last; returns at once."""
        publication = Publication(self, session, run, config)
        run.announced.clear()
        task = asyncio.create_task(publication.tell(), name=f"telemetry of run {run.run_id}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self, grace: float) -> None:
        """Wait until runs that have ended are told, no longer than `grace` seconds."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=grace)
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


class Publication:
    """One run that is being told; see `RunPublisher`."""

    def __init__(self, publisher: RunPublisher, session: Session, run: Run, config: TrainRunConfig) -> None:
        self._telemetry = publisher.telemetry
        self._codec = publisher.codec
        self._control = publisher.control
        self._session = session
        self._run = run
        self._registration = registration(session, run, config, self._codec)
        self._narrator = Narrator(1 if config.data is None else config.data.batch_size)
        self._seen = 0
        self._writer: LocalWriter | None = None
        self._answers: set[asyncio.Task[None]] = set()

    async def tell(self) -> None:
        """Tell the run to its end; when the record fails, go on with what comes after, a few times."""
        try:
            await self._run.begun()
            asyncio.get_running_loop().call_later(ANNOUNCEMENT_SECONDS, self._run.announced.set)
            await self._record_with_retries()
        except Failure:  # of a run that never started: whoever asked for it knows why
            pass
        finally:
            self._run.announced.set()

    async def _record_with_retries(self) -> None:
        for delay in (*TRIES, None):
            try:
                await self._record()
            except Failure as failure:
                log.warning("telemetry of run %s is lost: %s", self._run.run_id, failure.message)
                self._run.announced.set()
            if self._is_told or delay is None:
                break
            await asyncio.sleep(delay)
        if not self._is_told:
            log.error("telemetry of run %s is given up", self._run.run_id)

    @property
    def _is_told(self) -> bool:
        """Whether the end of the run is in its log."""
        recorded = self._telemetry.runs.named(self._run.run_id)
        end = None if recorded is None else recorded.state.end_position
        return recorded is not None and end is not None and recorded.durable >= end

    async def _record(self) -> None:
        principal = self._session.principal
        writer = await LocalWriter.begin(self._telemetry, principal, self._registration, self._obey_later)
        self._writer = writer
        self._run.announced.set()
        try:
            if self._seen:
                self._take_up()
            async with contextlib.aclosing(self._run.events(self._seen)) as events:
                async for event in events:
                    await self._take(event)
        finally:
            self._writer = None
            await writer.close()

    def _take_up(self) -> None:
        """Go on with a record that broke: the status is said again, and the end, if it was lost."""
        latest = self._run.latest
        if latest is None:
            return
        self._note(TrainStatus.IN_PROGRESS, "the record goes on here; what is missing before could not be stored")
        if latest.status is TrainStatus.PAUSED:
            self._note(latest.status, latest.message)
        elif latest.status.final:
            self._seen = min(self._seen, latest.sequence - 1)
            self._narrator.forget_status()

    async def _take(self, event: RunEvent) -> None:
        while not await self._telemetry.runs.store.room(LAST_ANSWERS_SECONDS):
            log.warning("the disk is behind with run %s", self._run.run_id)
        progress = event.progress
        if event.dropped:
            text = f"{event.dropped} events are missing here: the disk was slower than the training"
            self._note(TrainStatus.IN_PROGRESS, text)
        if progress.status.final and self._answers:
            # Their results come before the end, which is the last that viewers are told.
            await asyncio.wait(self._answers, timeout=LAST_ANSWERS_SECONDS)
        for report in self._narrator.tell(progress):
            self._say(self._codec.report(self._run.run_id, report))
        self._seen = progress.sequence
        await asyncio.sleep(0)  # thousands may have waited for the disk, and others use this loop

    def _note(self, status: TrainStatus, text: str) -> None:
        self._say(self._codec.report(self._run.run_id, StatusReport(STATUSES[status], text, time.time())))

    def _say(self, raw: bytes) -> None:
        if self._writer is not None:
            self._writer.say(raw)

    def _obey_later(self, command: told.Command) -> None:
        task = asyncio.create_task(self._obey(command))
        self._answers.add(task)
        task.add_done_callback(self._answers.discard)

    async def _obey(self, command: told.Command) -> None:
        asked = Command(ACTIONS[command.type], command.argument, command.expire_time - EXPIRY_MARGIN_SECONDS)
        try:
            applied = await self._control.apply(self._session, asked, self._run.run_id)
        except Failure as failure:
            reason = failure.reason if failure.reason is Reason.COMMAND_EXPIRED else Reason.COMMAND_INVALID
            raw = self._telemetry.runs.codec.refused(self._run.run_id, command.command_id, reason, failure.message)
        else:
            if command.type is CommandType.ADJUST_BATCH_SIZE and command.argument is not None:
                self._narrator.batch_size = int(command.argument)
            raw = self._codec.report(self._run.run_id, ObeyedReport(command, applied))
        try:
            self._say(raw)
        except Failure as failure:
            log.warning("the result of command %s is not recorded: %s", command.command_id, failure.message)


def registration(session: Session, run: Run, config: TrainRunConfig, codec: ReportCodec) -> Registration:
    """A run as telemetry knows it: under its own id, with words to find it by and the commands that it obeys."""
    phase = "" if run.phase is None else run.phase.lower()
    pipeline = session.pipeline.config.metadata.name if session.pipeline is not None else ""
    own = {"trainrun": config.name, "pipeline": pipeline, "phase": phase, "session": session.session_id}
    tags = {**config.tags, **session.labels, **own}
    return Registration(
        run_id=run.run_id,
        client_name="catenary-server",
        client_version=importlib.metadata.version("catenary-server"),
        tags={name: value[:LONGEST_TAG] for name, value in tags.items() if value},
        commands=capabilities(run.phase),
        config=codec.setup(_setup(session, run, config, pipeline)),
    )


def capabilities(phase: Phase | None) -> tuple[Capability, ...]:
    """What a phase obeys: statistics have neither a learning rate nor batches that may change midway."""
    plain = tuple(Capability(kind) for kind, action in ACTIONS.items() if action not in BOUNDS)
    if phase is not Phase.GRADIENT:
        return plain
    bounded = {kind: BOUNDS[action] for kind, action in ACTIONS.items() if action in BOUNDS}
    return plain + tuple(Capability(kind, bounds.least, bounds.greatest) for kind, bounds in bounded.items())


def _setup(session: Session, run: Run, config: TrainRunConfig, pipeline: str) -> Setup:
    gradient, training = run.phase is Phase.GRADIENT, config.training
    return Setup(
        model_name=pipeline,
        dataset_name=_dataset(config),
        total_epochs=training.trainer.max_epochs if gradient else None,
        batch_size=None if config.data is None else config.data.batch_size,
        learning_rate=training.optimizer.lr if gradient else None,
        optimizer_name=training.optimizer.name if gradient else "",
        loss_name=", ".join(config.loss_nodes) if gradient else "",
        device_name=session.device,
        hyperparameters={
            "phase": str(run.phase or ""),
            "seed": str(training.seed),
            **({"scheduler": training.scheduler.name} if gradient and training.scheduler is not None else {}),
        },
    )


def _dataset(config: TrainRunConfig) -> str:
    """The scene's name, without the folders of the server."""
    if config.data is None:
        return ""
    return pathlib.PurePath(config.data.path).name if config.data.source == "file" else config.data.source
