"""Runs of a session: started, watched, stopped, evaluated; a run goes on without anyone watching."""

from __future__ import annotations

import asyncio
import dataclasses
import logging
from typing import TYPE_CHECKING

from catenary_server.application.runs import Run, RunEvent
from catenary_server.domain.failure import Failure, Reason, Violation
from catenary_server.domain.progress import Progress, RunFailure
from catenary_server.domain.session import SessionState
from catenary_server.domain.training import EvaluationJob, Phase, Stage, TrainingJob, TrainRunConfig, TrainStatus

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from catenary_server.application.pipelines import Pipelines
    from catenary_server.application.session import LoadedPipeline, Session
    from catenary_server.domain.config_source import ConfigSource
    from catenary_server.domain.storage import FileArea
    from catenary_server.domain.training import DataConfig

log = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class TrainRequest:
    """What a client asks of Train; empty bytes leave the session's configuration as it is."""

    phase: Phase
    data: bytes = b""
    training: bytes = b""
    request_id: str = ""
    cancel_on_disconnect: bool = False


class Training:
    """Use cases around runs."""

    def __init__(self, *, pipelines: Pipelines, configs: ConfigSource) -> None:
        self._pipelines = pipelines
        self._configs = configs
        self._tasks: set[asyncio.Task[None]] = set()

    async def set_config(self, session: Session, content: bytes) -> bool:
        """Make a trainrun the session's; builds the pipeline if the configuration has one, and says whether it did.

        An invalid configuration leaves the one before in force.

        Raises:
            Failure: CONFIG_INVALID, STATE_INVALID without a pipeline anywhere, SESSION_BUSY, or as `Pipelines.load`.
        """
        session.require_idle()
        return await self.apply(session, self._configs.read_trainrun(content))

    async def apply(self, session: Session, config: TrainRunConfig) -> bool:
        """As `set_config`, for a configuration that was read already."""
        if config.pipeline is not None:
            await self._pipelines.load(session, config.pipeline)
        else:
            session.require_pipeline()
        session.trainrun = config
        return config.pipeline is not None

    async def train(self, session: Session, request: TrainRequest) -> AsyncIterator[RunEvent]:
        """Start a phase and follow it, or follow the one that runs: its newest event first, then every later one.

        Raises:
            Failure: ALREADY_TRAINING for another phase, STATE_INVALID without pipeline or trainrun, DATASET_NOT_FOUND,
                CONFIG_INVALID and whatever else keeps a run from starting; after the first event the run's own end
                is its last event, not an error.
        """
        run, after = self._attach(session, request), 0
        if run is None:
            run = self._start(session, request)
        elif run.latest is not None:
            after = run.latest.sequence - 1
        try:
            async for event in run.events(after):
                yield event
        finally:
            if request.cancel_on_disconnect and not run.finished:
                await self.stop(session)

    async def watch(self, session: Session, after_sequence: int) -> AsyncIterator[RunEvent]:
        """The newest event as a snapshot, then every event after `after_sequence` once, up to the run's end.

        Raises:
            Failure: STATE_INVALID if the session has no run.
        """
        run = session.run
        if run is None:
            raise Failure(
                Reason.STATE_INVALID,
                "the session has no run to watch; call Train first",
                violations=(Violation("run", "no run was started"),),
            )
        if run.latest is not None:
            yield RunEvent(run.latest)
        async for event in run.events(after_sequence):
            yield event

    def status(self, session: Session) -> Progress | None:
        """The newest event of the session's last run; None before the first."""
        return session.run.latest if session.run is not None else None

    async def stop(self, session: Session) -> bool:
        """Ask the run to end at its next step. False if none goes on."""
        if session.run is None or session.run.finished:
            return False
        with session.engaged() as pipeline:
            return await pipeline.worker.stop_training()

    async def evaluate(self, session: Session, stage: Stage, data: bytes = b"") -> AsyncIterator[Progress]:
        """Run the metric nodes over one split; the last event is COMPLETED and has the metrics.

        Raises:
            Failure: STATE_INVALID, SESSION_BUSY, DATASET_NOT_FOUND, DATASET_INVALID, NODE_FAILED.
        """
        session.require_idle()
        config = self._config(session, data, b"")
        metrics: dict[str, float] = {}
        with session.engaged() as pipeline:
            async for report in pipeline.worker.evaluate(EvaluationJob(stage=stage, config=config)):
                if isinstance(report, str):
                    yield Progress(status=TrainStatus.COMPLETED, stage=stage, metrics=metrics, message=report)
                else:
                    metrics = {**metrics, **report.metrics}
                    yield report

    def _attach(self, session: Session, request: TrainRequest) -> Run | None:
        run = session.run
        if run is None:
            return None
        if request.request_id and run.request_id == request.request_id:
            return run
        if run.finished:
            return None
        if run.phase is request.phase:
            return run
        raise Failure(
            Reason.ALREADY_TRAINING,
            f"the {run.phase} phase is running; wait for its end or call StopTrain",
            violations=(Violation("run", f"run {run.run_id} is in phase {run.phase}"),),
        )

    def _start(self, session: Session, request: TrainRequest) -> Run:
        session.require_idle()
        pipeline = session.require_pipeline()
        if session.change.locked():
            raise Failure(Reason.SESSION_BUSY, "the pipeline is being loaded; train when that is done", retry_after=1.0)
        config = self._config(session, request.data, request.training)
        run = Run(request.phase, request.request_id)
        session.run = run
        session.enter(SessionState.TRAINING)
        task = asyncio.create_task(self._drive(session, pipeline, run, TrainingJob(phase=request.phase, config=config)))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return run

    async def _drive(self, session: Session, pipeline: LoadedPipeline, run: Run, job: TrainingJob) -> None:
        """Carry the worker's reports into the run, to its one final event, whoever watches."""
        try:
            async for report in pipeline.worker.train(job):
                if isinstance(report, str):
                    await self._finish(session, run, Progress(status=TrainStatus.COMPLETED, message=report))
                else:
                    await run.publish(report)
        except Failure as failure:
            await self._end_early(session, run, failure)
        except BaseException:
            bug = Failure(Reason.INTERNAL_BUG, "the run ended by a fault of the server")
            await self._end_early(session, run, bug)
            raise

    async def _end_early(self, session: Session, run: Run, failure: Failure) -> None:
        closing = session.state is SessionState.CLOSING
        if run.latest is None and not closing:
            self._settle(session)
            await run.fail_to_start(failure)
            return
        reason = Reason.SESSION_CLOSING if closing else failure.reason
        cancelled = closing or failure.reason is Reason.TRAIN_CANCELLED
        await self._finish(
            session,
            run,
            Progress(
                status=TrainStatus.CANCELLED if cancelled else TrainStatus.FAILED,
                message=session.closing_failure().message if closing else failure.message,
                failure=RunFailure(reason, failure.message),
            ),
        )

    async def _finish(self, session: Session, run: Run, last: Progress) -> None:
        """Close the run with counters where its last report left them."""
        latest = run.latest or Progress()
        self._settle(session)
        await run.publish(
            dataclasses.replace(
                latest,
                stage=Stage.TRAIN,
                status=last.status,
                message=last.message,
                failure=last.failure,
                losses={},
                metrics={},
                remaining_seconds=None,
                time=0.0,
            )
        )

    @staticmethod
    def _settle(session: Session) -> None:
        """The session is free again before the final event is seen, so that the next call is not refused."""
        if session.state is SessionState.TRAINING:
            session.enter(SessionState.READY)

    def _config(self, session: Session, data: bytes, training: bytes) -> TrainRunConfig:
        """The session's trainrun with what the request overrides, and with absolute, confined data paths."""
        session.require_pipeline()
        config = session.trainrun
        if config is None:
            raise Failure(
                Reason.STATE_INVALID,
                "the session has no trainrun; call SetTrainRunConfig first",
                violations=(Violation("trainrun", "no trainrun is set"),),
            )
        if data:
            config = dataclasses.replace(config, data=self._configs.read_data(data))
        if training:
            config = dataclasses.replace(config, training=self._configs.read_training(training))
        if config.data is None:
            fault = Violation("data", "says what to train on; it is missing")
            raise Failure(Reason.CONFIG_INVALID, "the trainrun has no `data` section", violations=(fault,))
        return dataclasses.replace(config, data=_confined(config.data, session.area))


def _confined(data: DataConfig, area: FileArea) -> DataConfig:
    if data.source != "file":
        return data
    if not data.path:
        fault = Violation("data.path", "names the scene file; it is empty")
        raise Failure(Reason.CONFIG_INVALID, f"{fault.subject} {fault.description}", violations=(fault,))
    return dataclasses.replace(
        data,
        path=str(area.find_data(data.path)),
        validation_path=str(area.find_data(data.validation_path)) if data.validation_path else None,
        test_path=str(area.find_data(data.test_path)) if data.test_path else None,
    )
