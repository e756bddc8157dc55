"""Training in a session: a run is followed to its end, through lost streams."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import grpc

from catenary.v1 import train_run_config_pb2 as trainrun
from catenary.v1 import training_requests_pb2 as training
from catenary.v1.config_pb2 import DataConfig
from catenary.v1.execution_stage_pb2 import ExecutionStage
from catenary.v1.training_pb2 import TrainerType, TrainingConfig
from catenary.v1.training_service_pb2_grpc import TrainingServiceStub
from catenary_client.calls import identify, rpc_of
from catenary_client.config_content import content_of
from catenary_client.errors import CatenaryError, RunFailedError
from catenary_client.results import ResolvedConfig, RestoredTrainRun, SavedTrainRun, TrainProgress
from catenary_client.session_calls import SessionCalls
from catenary_wire import names
from catenary_wire.errors import CONNECTION_FAILED, Failure
from catenary_wire.reasons import Retry

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from catenary_client.config_content import Config

Phase = Literal["statistical", "gradient"]
"""The phases of a training."""
Split = Literal["validate", "test"]
"""The splits that can be evaluated."""


class TrainingCalls(SessionCalls):
    """The part of a session that deals with training."""

    async def set_trainrun(self, config: Config) -> bool:
        """Set what the session trains by; True if its pipeline was built from it, False if the loaded one was kept.

        Raises:
            ConfigError: the configuration is refused; the one of before stays.
            PreconditionError: neither the configuration nor the session has a pipeline.
        """
        response = await self._caller.unary(
            TrainingServiceStub(self._channel).SetTrainRunConfig,
            trainrun.SetTrainRunConfigRequest(
                session_id=self.session_id, config=trainrun.TrainRunConfig(config_bytes=content_of(config))
            ),
        )
        return response.pipeline_from_config

    async def train(
        self,
        phase: Phase,
        *,
        data: Config | None = None,
        training_config: Config | None = None,
        cancel_on_disconnect: bool = False,
    ) -> AsyncIterator[TrainProgress]:
        """Train one phase and follow it; attaches if the phase is running already.

        A lost stream is taken up again where it broke off, so that every event comes once. Leaving the iteration early
        does not stop the run. The last event has a final status: after FAILED the iteration raises; CANCELLED, which
        someone asked for, is an end like any other.

        Args:
            phase: `statistical` or `gradient`.
            data: data configuration in place of the train run's.
            training_config: training configuration in place of the train run's.
            cancel_on_disconnect: end the run when its streams are gone.

        Raises:
            RunFailedError: the run broke off; `reason` says by what.
            PreconditionError: another phase runs, or there is no pipeline.
        """
        request = training.TrainRequest(
            session_id=self.session_id,
            trainer_type=names.number_of(TrainerType, phase),
            data=None if data is None else DataConfig(config_bytes=content_of(data)),
            training=None if training_config is None else TrainingConfig(config_bytes=content_of(training_config)),
            on_disconnect=(
                training.ON_DISCONNECT_CANCEL if cancel_on_disconnect else training.ON_DISCONNECT_UNSPECIFIED
            ),
        )
        identify(request)
        follower = _Follower(self, request)
        async for progress in follower.events():
            yield progress

    async def watch(self, *, after_sequence: int = 0, run_id: str = "") -> AsyncIterator[TrainProgress]:
        """Follow a run that is there: every event after a sequence number that the server still has, to the end.

        Args:
            after_sequence: the last event that is known already.
            run_id: the run; empty means the session's latest.

        Raises:
            RunFailedError: the run broke off.
            PreconditionError: the session has had no run.
        """
        follower = _Follower(self, None, after_sequence=after_sequence, run_id=run_id)
        async for progress in follower.events():
            yield progress

    async def train_status(self) -> TrainProgress | None:
        """The last event of the session's latest run; None before the first."""
        response = await self._caller.unary(
            TrainingServiceStub(self._channel).GetTrainStatus,
            training.GetTrainStatusRequest(session_id=self.session_id),
        )
        return TrainProgress.of(response.latest_progress) if response.HasField("latest_progress") else None

    async def stop(self) -> bool:
        """Ask the running run or evaluation to end; False if there is none."""
        response = await self._caller.unary(
            TrainingServiceStub(self._channel).StopTrain, training.StopTrainRequest(session_id=self.session_id)
        )
        return response.accepted

    async def evaluate(self, split: Split, *, data: Config | None = None) -> AsyncIterator[TrainProgress]:
        """Measure the pipeline on a split; the last event has the metrics of the whole of it.

        Raises:
            RunFailedError: the evaluation broke off.
            PreconditionError: the session trains, or there is no pipeline.
        """
        request = training.EvaluateRequest(
            session_id=self.session_id,
            stage=names.number_of(ExecutionStage, split),
            data=None if data is None else DataConfig(config_bytes=content_of(data)),
        )
        async for response in self._caller.stream(TrainingServiceStub(self._channel).Evaluate, request):
            progress = TrainProgress.of(response.progress)
            yield progress
            raise_if_failed(progress)

    async def save_trainrun(
        self, path: str, *, save_weights: bool = False, must_not_exist: bool = False
    ) -> SavedTrainRun:
        """Write the train run to a file of the server.

        Args:
            path: file to write, relative to the artifact root.
            save_weights: save pipeline and weights beside it; else it refers to the last saved pipeline, if any.
            must_not_exist: refuse to replace a file.
        """
        response = await self._caller.unary(
            TrainingServiceStub(self._channel).SaveTrainRun,
            trainrun.SaveTrainRunRequest(
                session_id=self.session_id,
                trainrun_path=path,
                save_weights=save_weights,
                must_not_exist=must_not_exist,
            ),
        )
        return SavedTrainRun(response.trainrun_path, response.pipeline_path, response.weights_path)

    async def restore(self, path: str, *, weights_path: str = "", strict: bool = True) -> RestoredTrainRun:
        """Replace configuration, pipeline and weights of the session by those of a saved train run.

        Args:
            path: the saved train run.
            weights_path: weights to load instead of those it refers to.
            strict: refuse weights that do not fit the pipeline exactly.

        Raises:
            NotFoundError: a file is not there.
        """
        response = await self._caller.unary(
            TrainingServiceStub(self._channel).RestoreTrainRun,
            trainrun.RestoreTrainRunRequest(
                session_id=self.session_id, trainrun_path=path, weights_path=weights_path or None, strict=strict
            ),
        )
        config = ResolvedConfig("trainrun", response.trainrun.config_bytes)
        return RestoredTrainRun(config, response.weights_restored, response.resolved_weights_path)


class _Follower:
    """Follows one run to its end, over as many streams as it takes.

    Args:
        calls: the session.
        request: starts the run or attaches to it; None watches a run that is there.
        after_sequence: the last event that is known already.
        run_id: the run, where it is known.
    """

    def __init__(
        self,
        calls: TrainingCalls,
        request: training.TrainRequest | None,
        *,
        after_sequence: int = 0,
        run_id: str = "",
    ) -> None:
        self._caller = calls._caller  # noqa: SLF001 - one class in two parts
        self._stub = TrainingServiceStub(calls._channel)  # noqa: SLF001 - the same
        self._session_id = calls.session_id
        self._request = request
        self._last = after_sequence
        self._run_id = run_id
        self._lost = 0

    async def events(self) -> AsyncIterator[TrainProgress]:
        """Every event once, to the final one."""
        while True:
            try:
                async for progress in self._one_stream():
                    self._last, self._run_id, self._lost = progress.sequence, progress.run_id, 0
                    yield progress
                    if progress.final:
                        raise_if_failed(progress)
                        return
            except RunFailedError:
                raise
            except CatenaryError as error:
                await self._lose(error.failure)
            else:
                await self._lose(_broken_off())

    async def _lose(self, failure: Failure) -> None:
        """Wait before the next stream, or give up."""
        self._lost += 1
        rpc = rpc_of(training.WatchTrainingRequest if self._request is None else training.TrainRequest)
        await self._caller.pause(rpc, failure, self._lost)

    async def _one_stream(self) -> AsyncIterator[TrainProgress]:
        """New events of one stream: of Train until the first event is there, of WatchTraining from then on."""
        if self._request is not None and not self._run_id:
            async for response in self._caller.stream(self._stub.Train, self._request):
                yield TrainProgress.of(response)
            return
        request = training.WatchTrainingRequest(
            session_id=self._session_id, after_sequence=self._last, run_id=self._run_id
        )
        snapshot = None
        async for update in self._caller.stream(self._stub.WatchTraining, request):
            if update.HasField("snapshot"):
                snapshot = TrainProgress.of(update.snapshot)
            elif update.progress.sequence > self._last:
                yield TrainProgress.of(update.progress)
        if snapshot is not None and snapshot.final and snapshot.sequence >= self._last:
            yield snapshot


def raise_if_failed(progress: TrainProgress) -> None:
    """Raise what a FAILED event says.

    Raises:
        RunFailedError: the event is FAILED.
    """
    if progress.status == "FAILED":
        failure = progress.failure or Failure(
            reason="INTERNAL_BUG", code=grpc.StatusCode.OK, message=progress.message, retry=Retry.NEVER
        )
        raise RunFailedError(failure)


def _broken_off() -> Failure:
    return Failure(
        reason=CONNECTION_FAILED,
        code=grpc.StatusCode.UNAVAILABLE,
        message="the stream ended before the run did",
        retry=Retry.SAME_REQUEST_ID,
    )
