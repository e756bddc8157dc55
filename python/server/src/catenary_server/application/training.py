"""Runs of a session: started, watched, stopped, evaluated; a run goes on without anyone watching."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING

from catenary_server.application.checkpoints import CheckpointFolder, taken_up
from catenary_server.application.driving import drive
from catenary_server.application.jobs import job_config, require_losses
from catenary_server.application.runs import Run, RunEvent, TrainRequest
from catenary_server.domain.checkpoint import CHECKPOINT_SUFFIX, Checkpoint
from catenary_server.domain.failure import Failure, Reason, Resource, Violation
from catenary_server.domain.progress import Progress
from catenary_server.domain.session import SessionState
from catenary_server.domain.training import EvaluationJob, Phase, Stage, TrainingJob

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator

    from catenary_server.application.pipelines import Pipelines
    from catenary_server.application.session import LoadedPipeline, Session
    from catenary_server.application.telemetry_publishing import RunPublisher
    from catenary_server.domain.config_source import ConfigSource
    from catenary_server.domain.training import TrainRunConfig

__all__ = ["TrainRequest", "Training"]


class Training:
    """Use cases around runs.

    Args:
        pipelines: builds what is trained.
        configs: reads what clients send.
        publisher: tells every phase as telemetry; None tells none.
    """

    def __init__(self, *, pipelines: Pipelines, configs: ConfigSource, publisher: RunPublisher | None = None) -> None:
        self._pipelines = pipelines
        self._configs = configs
        self._publisher = publisher
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

    async def train(self, session: Session, request: TrainRequest) -> AsyncGenerator[RunEvent, None]:
        """Start a phase and follow it, or follow the one that runs: its newest event first, then every later one.

        Raises:
            Failure: ALREADY_TRAINING for another phase or an evaluation, IDEMPOTENCY_CONFLICT, STATE_INVALID without
                pipeline or trainrun, DATASET_NOT_FOUND, CONFIG_INVALID and whatever else keeps a run from starting;
                after the first event the run's own end is its last event, not an error.
        """
        run, after = self._joined(session, request), 0
        if run is None:
            run = self._start(session, request)
        elif run.latest is not None:
            after = run.latest.sequence - 1
        async with contextlib.aclosing(self._followed(session, run, after)) as events:
            async for event in events:
                yield event

    async def watch(self, session: Session, after_sequence: int, run_id: str = "") -> AsyncGenerator[RunEvent, None]:
        """The newest event as a snapshot, then every event after `after_sequence` once, up to the run's end.

        Raises:
            Failure: STATE_INVALID if the session has had no run, RUN_NOT_FOUND if it has none of that id.
        """
        run = self._run(session, run_id)
        yield RunEvent(await run.begun())
        async with contextlib.aclosing(run.events(after_sequence)) as events:
            async for event in events:
                yield event

    def status(self, session: Session) -> Progress | None:
        """The newest event of the session's last run; None before the first run."""
        run = session.run
        if run is None or run.latest is not None:
            return None if run is None else run.latest
        return Progress(run_id=run.run_id, phase=run.phase, message="Starting", time=time.time())

    async def stop(self, session: Session) -> Run | None:
        """Ask what runs, a phase or an evaluation, to end at its next step; None if nothing does."""
        run = session.working
        if run is None:
            return None
        with session.engaged() as pipeline:
            await pipeline.worker.stop_training()
        return run

    async def evaluate(self, session: Session, stage: Stage, data: bytes = b"") -> AsyncGenerator[RunEvent, None]:
        """Run the metric nodes over one split; the last event has the metrics. It ends with whoever asked for it.

        Raises:
            Failure: STATE_INVALID, ALREADY_TRAINING, SESSION_BUSY, DATASET_NOT_FOUND, DATASET_INVALID; after the first
                event its end is the last event.
        """
        self._refuse_second(session)
        config = job_config(session, self._configs, data=data)
        worker = self._settled(session).worker
        run = session.evaluation = Run()
        self._spawn(session, run, worker.evaluate(EvaluationJob(stage=stage, config=config)), stage)
        async with contextlib.aclosing(self._followed(session, run, 0)) as events:
            async for event in events:
                yield event

    async def _followed(self, session: Session, run: Run, after_sequence: int) -> AsyncGenerator[RunEvent, None]:
        try:
            with run.followed():
                async with contextlib.aclosing(run.events(after_sequence)) as events:
                    async for event in events:
                        await run.announced.wait()  # whoever knows of the run can find it in telemetry, and steer it
                        yield event
        finally:
            if run.abandoned:
                with contextlib.suppress(Failure):  # a worker that is gone has stopped
                    await self.stop(session)

    async def close(self, grace: float) -> None:
        """Wait until what runs that have ended said is recorded, no longer than `grace` seconds."""
        if self._publisher is not None:
            await self._publisher.close(grace)

    def _joined(self, session: Session, request: TrainRequest) -> Run | None:
        """The run that a request means if it does not mean a new one."""
        for run in session.runs:
            if request.request_id and run.request is not None and run.request.request_id == request.request_id:
                if run.request != request:
                    raise Failure(
                        Reason.IDEMPOTENCY_CONFLICT,
                        f"request id {request.request_id!r} was used for another run; use a new one",
                        resource=Resource("request", request.request_id),
                    )
                return run
        if session.working is not None and session.working.phase is request.phase:
            return session.working
        self._refuse_second(session)
        return None

    @staticmethod
    def _refuse_second(session: Session) -> None:
        run = session.working
        if run is not None:
            what = "an evaluation" if run.phase is None else f"the {run.phase} phase"
            raise Failure(
                Reason.ALREADY_TRAINING,
                f"{what} is running; wait for its end or call StopTrain",
                violations=(Violation("run", f"run {run.run_id} is {what}"),),
            )

    @staticmethod
    def _run(session: Session, run_id: str) -> Run:
        if session.run is None:
            raise Failure(
                Reason.STATE_INVALID,
                "the session has no run to watch; call Train first",
                violations=(Violation("run", "no run was started"),),
            )
        run = next((each for each in session.runs if each.run_id == run_id), None) if run_id else session.run
        if run is None:
            raise Failure(Reason.RUN_NOT_FOUND, f"the session has no run {run_id}", resource=Resource("run", run_id))
        return run

    def _start(self, session: Session, request: TrainRequest) -> Run:
        config = job_config(session, self._configs, data=request.data, training=request.training)
        if request.phase is Phase.GRADIENT:
            require_losses(config)
        worker = self._settled(session).worker
        job = TrainingJob(phase=request.phase, config=config)
        reports, folder = worker.train(job), None
        if request.phase is Phase.GRADIENT:
            if config.training.callbacks.checkpoint is not None:
                folder = CheckpointFolder(session.area, config.output_dir)
            if config.training.resume_from is not None:
                place = session.area.find(config.training.resume_from, (CHECKPOINT_SUFFIX,))
                reports = taken_up(worker, job, session.area, place)
        run = Run(request)
        session.remember(run)
        session.enter(SessionState.TRAINING)
        self._spawn(session, run, reports, Stage.TRAIN, folder)
        if self._publisher is not None:
            self._publisher.publish(session, run, config)
        return run

    @staticmethod
    def _settled(session: Session) -> LoadedPipeline:
        """The pipeline, if nobody is replacing it or its weights."""
        pipeline = session.require_pipeline()
        if session.change.locked():
            raise Failure(Reason.SESSION_BUSY, "the pipeline is being loaded; train when that is done", retry_after=1.0)
        return pipeline

    def _spawn(
        self,
        session: Session,
        run: Run,
        reports: AsyncIterator[Progress | Checkpoint | str],
        stage: Stage,
        folder: CheckpointFolder | None = None,
    ) -> None:
        task = asyncio.create_task(drive(session, run, reports, stage, folder))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
