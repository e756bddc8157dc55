"""What calls return: values of this package, so that a program need not handle messages of the contract."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
from typing import TYPE_CHECKING, Any, cast

import grpc

from catenary.v1 import execution_stage_pb2, tensor_pb2, training_pb2
from catenary_client.errors import CatenaryError
from catenary_wire import names
from catenary_wire.errors import Failure
from catenary_wire.reasons import Retry, reason_name

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from catenary.v1.config_requests_pb2 import ResolveConfigResponse
    from catenary.v1.training_pb2 import TrainResponse

FINAL_STATUSES = frozenset({"COMPLETED", "FAILED", "CANCELLED"})
"""Statuses after which a run has no more events."""


@dataclasses.dataclass(frozen=True, slots=True)
class ResolvedConfig:
    """A complete configuration."""

    config_type: str
    """Its group, for example `trainrun`."""
    content: bytes
    """Canonical JSON, as later requests take it."""
    source_files: tuple[str, ...] = ()
    """Files that took part, the one asked for first."""

    @property
    def values(self) -> dict[str, Any]:
        """The configuration as nested dictionaries."""
        return cast("dict[str, Any]", json.loads(self.content))

    @property
    def name(self) -> str:
        """Its `name`, or the name in its metadata; empty when it has neither."""
        values = self.values
        return str(values.get("name") or values.get("metadata", {}).get("name", ""))

    @staticmethod
    def of(config_type: str, response: ResolveConfigResponse) -> ResolvedConfig:
        """From the answer of ResolveConfig."""
        files = tuple(file.path for file in response.source_files)
        return ResolvedConfig(config_type, response.config_bytes, files)


@dataclasses.dataclass(frozen=True, slots=True)
class ConfigCheck:
    """What is wrong with a configuration."""

    valid: bool
    errors: tuple[str, ...]
    """Each as `key.path: message`."""
    warnings: tuple[str, ...]


@dataclasses.dataclass(frozen=True, slots=True)
class SearchPaths:
    """Where a session looks for configurations."""

    current: tuple[str, ...]
    """Directories that are searched, first one first."""
    rejected: tuple[str, ...]
    """Directories that were asked for and are not searched."""


@dataclasses.dataclass(frozen=True, slots=True)
class SavedPipeline:
    """Where a pipeline is; both paths can be sent back."""

    pipeline_path: str
    weights_path: str


@dataclasses.dataclass(frozen=True, slots=True)
class DownloadedPipeline:
    """Where the files of a pipeline are on this machine; `weights` is None when it came without."""

    definition: Path
    weights: Path | None


@dataclasses.dataclass(frozen=True, slots=True)
class SavedTrainRun:
    """Where a train run is; pipeline and weights are empty when they are not in files of their own."""

    trainrun_path: str
    pipeline_path: str
    weights_path: str


@dataclasses.dataclass(frozen=True, slots=True)
class LoadedWeights:
    """Which weights were loaded; names that only one side has occur without `strict` alone."""

    resolved_path: str
    missing_names: tuple[str, ...]
    unexpected_names: tuple[str, ...]


@dataclasses.dataclass(frozen=True, slots=True)
class PortSpec:
    """What a port of a pipeline takes or gives."""

    name: str
    shape: tuple[int, ...]
    """Size of each dimension; -1 is free."""
    dtype: str
    """Element type by its numpy name."""
    required: bool

    @staticmethod
    def of(name: str, spec: tensor_pb2.TensorSpec) -> PortSpec:
        """From the specification that the server gave under this name."""
        dtype = names.short_name(tensor_pb2.DType, spec.dtype).lower()
        return PortSpec(name, tuple(spec.shape), dtype, spec.required)

    def __str__(self) -> str:
        """As `cube: float32 [-1, -1, -1, 224]`."""
        return f"{self.name}: {self.dtype} {list(self.shape)}"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class TrainProgress:
    """One event of a run or of an evaluation."""

    stage: str
    """TRAIN, VALIDATE or TEST."""
    status: str
    """IN_PROGRESS, PAUSED, COMPLETED, FAILED or CANCELLED."""
    message: str
    losses: Mapping[str, float]
    """By `<node>_loss`."""
    metrics: Mapping[str, float]
    epoch: int
    batch_idx: int
    global_step: int
    sequence: int
    run_id: str
    phase: str
    """STATISTICAL or GRADIENT; UNSPECIFIED in an evaluation."""
    batches_done: int
    batches_total: int
    epochs_done: int
    epochs_total: int
    remaining_seconds: float | None
    learning_rate: float | None
    event_time: dt.datetime
    """By the clock of the server, in UTC."""
    failure: Failure | None
    """Why it ended, with FAILED and CANCELLED."""

    @property
    def final(self) -> bool:
        """Whether this is the last event."""
        return self.status in FINAL_STATUSES

    def __str__(self) -> str:
        """As `[TRAIN] IN_PROGRESS | losses={...} | metrics={...} | message=...`, without what is empty."""
        parts = [f"[{self.stage}] {self.status}"]
        if self.losses:
            parts.append(f"losses={_rounded(self.losses)}")
        if self.metrics:
            parts.append(f"metrics={_rounded(self.metrics)}")
        if self.message:
            parts.append(f"message={self.message}")
        return " | ".join(parts)

    @staticmethod
    def of(progress: TrainResponse) -> TrainProgress:
        """From an event as the server sent it."""
        context = progress.context
        return TrainProgress(
            stage=names.short_name(execution_stage_pb2.ExecutionStage, context.stage),
            status=names.short_name(training_pb2.TrainStatus, progress.status),
            message=progress.message,
            losses=dict(progress.losses),
            metrics=dict(progress.metrics),
            epoch=context.epoch,
            batch_idx=context.batch_idx,
            global_step=context.global_step,
            sequence=progress.sequence,
            run_id=progress.run_id,
            phase=names.short_name(training_pb2.TrainerType, progress.phase),
            batches_done=progress.batches_done,
            batches_total=progress.batches_total,
            epochs_done=progress.epochs_done,
            epochs_total=progress.epochs_total,
            remaining_seconds=_seconds(progress),
            learning_rate=progress.learning_rate if progress.HasField("learning_rate") else None,
            event_time=progress.event_time.ToDatetime(tzinfo=dt.UTC),
            failure=_failure(progress),
        )


@dataclasses.dataclass(frozen=True, slots=True)
class RestoredTrainRun:
    """What a restored train run consists of."""

    trainrun: ResolvedConfig
    weights_restored: bool
    weights_path: str
    """The file the weights came from; empty when there was none."""


class InferenceOutputs(dict[str, "NDArray[Any]"]):
    """Output arrays by `node.port`, read-only views of the answer; `metrics` has the outputs that are plain numbers."""

    def __init__(self, arrays: Mapping[str, NDArray[Any]], metrics: Mapping[str, float]) -> None:
        super().__init__(arrays)
        self.metrics = dict(metrics)


@dataclasses.dataclass(frozen=True, slots=True)
class StreamedInference:
    """What became of one of the inputs of `infer_stream`."""

    number: int
    """The place of the inputs in the stream, from 0."""
    outcome: InferenceOutputs | CatenaryError

    def outputs(self) -> InferenceOutputs:
        """The outputs.

        Raises:
            CatenaryError: why there are none.
        """
        if isinstance(self.outcome, CatenaryError):
            raise self.outcome
        return self.outcome


def _rounded(values: Mapping[str, float]) -> dict[str, float]:
    """In the order of their names, with the four digits that a reader compares."""
    return {name: float(f"{value:.4g}" if abs(value) < 1 else f"{value:.4f}") for name, value in sorted(values.items())}


def _seconds(progress: TrainResponse) -> float | None:
    if not progress.HasField("remaining_time"):
        return None
    return progress.remaining_time.ToTimedelta().total_seconds()


def _failure(progress: TrainResponse) -> Failure | None:
    if not progress.HasField("failure"):
        return None
    return Failure(
        reason=reason_name(progress.failure.reason),
        code=grpc.StatusCode.OK,
        message=progress.failure.message,
        retry=Retry.NEVER,
    )
