"""TrainingService."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from catenary.v1 import train_run_config_pb2, training_requests_pb2
from catenary_server.transport.codec.training import (
    decode_stage,
    decode_strict,
    decode_train,
    encode_progress,
    encode_restored,
    encode_saved,
    encode_status,
    encode_stop,
)

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from catenary.v1 import training_pb2
    from catenary_server.application.sessions import Sessions
    from catenary_server.application.training import Training
    from catenary_server.application.trainruns import TrainRuns
    from catenary_server.transport.call import Call


class TrainingServicer:
    """Trains the pipeline of a session and keeps what a training consisted of."""

    service = "catenary.v1.TrainingService"

    def __init__(self, sessions: Sessions, training: Training, trainruns: TrainRuns) -> None:
        self._sessions = sessions
        self._training = training
        self._trainruns = trainruns

    async def set_train_run_config(
        self, request: train_run_config_pb2.SetTrainRunConfigRequest, call: Call
    ) -> train_run_config_pb2.SetTrainRunConfigResponse:
        """See the contract."""
        session = self._sessions.find(call.principal, request.session_id)
        built = await self._training.set_config(session, request.config.config_bytes)
        return train_run_config_pb2.SetTrainRunConfigResponse(pipeline_from_config=built)

    async def train(
        self, request: training_requests_pb2.TrainRequest, call: Call
    ) -> AsyncGenerator[training_pb2.TrainResponse, None]:
        """See the contract."""
        session = self._sessions.find(call.principal, request.session_id)
        async with contextlib.aclosing(self._training.train(session, decode_train(request))) as events:
            async for event in events:
                yield encode_progress(event.progress)

    async def watch_training(
        self, request: training_requests_pb2.WatchTrainingRequest, call: Call
    ) -> AsyncGenerator[training_requests_pb2.WatchTrainingResponse, None]:
        """See the contract."""
        session = self._sessions.find(call.principal, request.session_id)
        watched = self._training.watch(session, request.after_sequence, request.run_id)
        async with contextlib.aclosing(watched) as events:
            snapshot = await anext(events)
            yield training_requests_pb2.WatchTrainingResponse(snapshot=encode_progress(snapshot.progress))
            dropped = 0
            async for event in events:
                dropped += event.dropped
                progress = encode_progress(event.progress)
                yield training_requests_pb2.WatchTrainingResponse(progress=progress, dropped_count=dropped)

    async def get_train_status(
        self, request: training_requests_pb2.GetTrainStatusRequest, call: Call
    ) -> training_requests_pb2.GetTrainStatusResponse:
        """See the contract."""
        session = self._sessions.find(call.principal, request.session_id)
        return encode_status(self._training.status(session))

    async def stop_train(
        self, request: training_requests_pb2.StopTrainRequest, call: Call
    ) -> training_requests_pb2.StopTrainResponse:
        """See the contract."""
        session = self._sessions.find(call.principal, request.session_id)
        return encode_stop(await self._training.stop(session))

    async def evaluate(
        self, request: training_requests_pb2.EvaluateRequest, call: Call
    ) -> AsyncGenerator[training_requests_pb2.EvaluateResponse, None]:
        """See the contract."""
        session = self._sessions.find(call.principal, request.session_id)
        evaluation = self._training.evaluate(session, decode_stage(request), request.data.config_bytes)
        async with contextlib.aclosing(evaluation) as events:
            async for event in events:
                yield training_requests_pb2.EvaluateResponse(progress=encode_progress(event.progress))

    async def save_train_run(
        self, request: train_run_config_pb2.SaveTrainRunRequest, call: Call
    ) -> train_run_config_pb2.SaveTrainRunResponse:
        """See the contract."""
        session = self._sessions.find(call.principal, request.session_id)
        saved = await self._trainruns.save(
            session, request.trainrun_path, save_weights=request.save_weights, must_not_exist=request.must_not_exist
        )
        return encode_saved(saved)

    async def restore_train_run(
        self, request: train_run_config_pb2.RestoreTrainRunRequest, call: Call
    ) -> train_run_config_pb2.RestoreTrainRunResponse:
        """See the contract."""
        restored = await self._trainruns.restore(
            call.principal,
            request.trainrun_path,
            weights_path=request.weights_path or None,
            strict=decode_strict(request),
            session_id=request.session_id,
        )
        return encode_restored(restored)
