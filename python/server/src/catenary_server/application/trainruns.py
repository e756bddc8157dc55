"""Saving a run's configuration, pipeline and weights, and bringing them back in another session."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from catenary_server.application.pipelines import CONFIG_SUFFIX, WEIGHTS_SUFFIX, locate_with_suffix
from catenary_server.application.sessions import NewSession
from catenary_server.domain.failure import Failure, Reason, Violation

if TYPE_CHECKING:
    from catenary_server.application.pipelines import Pipelines
    from catenary_server.application.session import Session
    from catenary_server.application.sessions import Sessions
    from catenary_server.domain.config_source import ConfigSource


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class SavedTrainRun:
    """Where a trainrun was saved, and the pipeline and weights it refers to; empty where it refers to none."""

    trainrun_path: str
    pipeline_path: str
    weights_path: str


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class RestoredTrainRun:
    """A session with the configuration (canonical JSON), pipeline and, if there were any, weights of a saved run."""

    session: Session
    content: bytes
    weights_path: str


class TrainRuns:
    """Runs as files."""

    def __init__(self, *, sessions: Sessions, pipelines: Pipelines, configs: ConfigSource) -> None:
        self._sessions = sessions
        self._pipelines = pipelines
        self._configs = configs

    async def save(
        self, session: Session, path: str, *, save_weights: bool, must_not_exist: bool = False
    ) -> SavedTrainRun:
        """Write the trainrun with its pipeline, and its weights beside it if asked; else it refers to the last saved.

        Raises:
            Failure: STATE_INVALID without trainrun or pipeline; as `Pipelines.save`, SESSION_BUSY only with weights.
        """
        config = session.trainrun
        pipeline = session.require_pipeline()
        if config is None:
            raise Failure(
                Reason.STATE_INVALID,
                "the session has no trainrun to save; call SetTrainRunConfig first",
                violations=(Violation("trainrun", "no trainrun is set"),),
            )
        place = locate_with_suffix(session.area, path, CONFIG_SUFFIX)
        weights_path, files = session.saved_weights, {}
        if save_weights:
            session.require_idle()
            weights_place = place.with_suffix(WEIGHTS_SUFFIX)
            with session.engaged():
                files[weights_place] = await pipeline.worker.dump_weights()
            weights_path = session.area.name(weights_place)
        saved = dataclasses.replace(config, pipeline=pipeline.config, weights_path=weights_path)
        files[place] = self._configs.write(saved)
        await session.area.write(files, must_not_exist=must_not_exist)
        return SavedTrainRun(
            trainrun_path=session.area.name(place),
            pipeline_path=session.saved_pipeline or "",
            weights_path=weights_path or "",
        )

    async def restore(
        self, principal: str, path: str, *, weights_path: str | None, strict: bool, session_id: str = ""
    ) -> RestoredTrainRun:
        """Rebuild a saved run in a session of its own, or in the one named; a failure leaves no new session behind.

        Raises:
            Failure: ARTIFACT_NOT_FOUND, PATH_INVALID, CONFIG_INVALID, SESSION_NOT_FOUND, and as `Pipelines.load`
                with weights.
        """
        if session_id:
            return await self._restore(self._sessions.find(principal, session_id), path, weights_path, strict=strict)
        session = self._sessions.create(principal, NewSession())
        try:
            return await self._restore(session, path, weights_path, strict=strict)
        except BaseException:
            await self._sessions.close(principal, session.session_id)
            raise

    async def _restore(
        self, session: Session, path: str, weights_path: str | None, *, strict: bool
    ) -> RestoredTrainRun:
        session.require_idle()
        content = await session.area.read(session.area.find(path, (CONFIG_SUFFIX,)))
        config = self._configs.read_trainrun(content)
        if config.pipeline is None:
            fault = Violation("pipeline", "is missing; a saved trainrun has one")
            raise Failure(Reason.CONFIG_INVALID, f"{fault.subject} {fault.description}", violations=(fault,))
        wanted = weights_path or config.weights_path
        weights = await self._pipelines.read_weights(session, wanted, strict=strict) if wanted else None
        await self._pipelines.load(session, config.pipeline, weights)
        session.trainrun = config
        return RestoredTrainRun(
            session=session,
            content=self._configs.canonical(config),
            weights_path=weights.name if weights is not None else "",
        )
