"""Runs: what they are asked for and what they report."""

from __future__ import annotations

from typing import TYPE_CHECKING

from catenary.v1 import train_run_config_pb2, training_pb2, training_requests_pb2
from catenary_server.application.runs import TrainRequest
from catenary_server.domain.training import Phase, TrainStatus
from catenary_server.transport.codec import times
from catenary_server.transport.codec.failure import encode_failure
from catenary_server.transport.codec.stages import STAGE_OF, STAGES

if TYPE_CHECKING:
    from catenary_server.application.runs import Run
    from catenary_server.application.trainruns import RestoredTrainRun, SavedTrainRun
    from catenary_server.domain.progress import Progress
    from catenary_server.domain.training import Stage

_PHASES = {phase: training_pb2.TrainerType.Value(f"TRAINER_TYPE_{phase}") for phase in Phase}
_STATUSES = {status: training_pb2.TrainStatus.Value(f"TRAIN_STATUS_{status}") for status in TrainStatus}
_PHASE_OF = {number: phase for phase, number in _PHASES.items()}


def decode_train(request: training_requests_pb2.TrainRequest) -> TrainRequest:
    """Which phase to train on what; the field rules have let only known phases pass."""
    return TrainRequest(
        phase=_PHASE_OF[request.trainer_type],
        data=request.data.config_bytes,
        training=request.training.config_bytes,
        request_id=request.request_id,
        cancel_on_disconnect=request.on_disconnect == training_requests_pb2.ON_DISCONNECT_CANCEL,
    )


def decode_stage(request: training_requests_pb2.EvaluateRequest) -> Stage:
    """The split to measure on; the field rules have let only splits pass."""
    return STAGE_OF[request.stage]


def decode_strict(request: train_run_config_pb2.RestoreTrainRunRequest) -> bool:
    """Whether weights must fit exactly; they must unless the client says otherwise."""
    return request.strict if request.HasField("strict") else True


def encode_progress(progress: Progress) -> training_pb2.TrainResponse:
    """One event of a run."""
    failure = progress.failure
    return training_pb2.TrainResponse(
        context=training_pb2.Context(
            stage=STAGES[progress.stage],
            epoch=progress.epoch,
            batch_idx=progress.batch_index,
            global_step=progress.global_step,
        ),
        losses=progress.losses,
        metrics=progress.metrics,
        status=_STATUSES[progress.status],
        message=progress.message,
        sequence=progress.sequence,
        run_id=progress.run_id,
        phase=training_pb2.TRAINER_TYPE_UNSPECIFIED if progress.phase is None else _PHASES[progress.phase],
        event_time=times.timestamp(progress.time),
        batches_done=progress.batches_done,
        batches_total=progress.batches_total,
        epochs_done=progress.epochs_done,
        epochs_total=progress.epochs_total,
        remaining_time=None if progress.remaining_seconds is None else times.duration(progress.remaining_seconds),
        failure=None if failure is None else encode_failure(failure.reason, failure.message),
        learning_rate=progress.learning_rate,
    )


def encode_status(latest: Progress | None) -> training_requests_pb2.GetTrainStatusResponse:
    """How far the latest run is."""
    return training_requests_pb2.GetTrainStatusResponse(
        latest_progress=None if latest is None else encode_progress(latest)
    )


def encode_stop(run: Run | None) -> training_requests_pb2.StopTrainResponse:
    """What was asked to stop."""
    if run is None:
        return training_requests_pb2.StopTrainResponse(accepted=False, message="Nothing is running")
    return training_requests_pb2.StopTrainResponse(
        accepted=True, message="Stopping at the next step", run_id=run.run_id
    )


def encode_saved(saved: SavedTrainRun) -> train_run_config_pb2.SaveTrainRunResponse:
    """Where the parts of a trainrun are."""
    return train_run_config_pb2.SaveTrainRunResponse(
        trainrun_path=saved.trainrun_path, pipeline_path=saved.pipeline_path, weights_path=saved.weights_path
    )


def encode_restored(restored: RestoredTrainRun) -> train_run_config_pb2.RestoreTrainRunResponse:
    """The session that a trainrun was restored into."""
    return train_run_config_pb2.RestoreTrainRunResponse(
        session_id=restored.session.session_id,
        trainrun=train_run_config_pb2.TrainRunConfig(config_bytes=restored.content),
        weights_restored=bool(restored.weights_path),
        resolved_weights_path=restored.weights_path,
    )
