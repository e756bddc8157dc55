"""What a training run is told to do, and the states it goes through."""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Mapping  # noqa: TC003 - the configuration layer reads the annotations
from typing import Annotated, Any, ClassVar, Literal

from annotated_types import Ge, Gt, Le, Len

from catenary_server.domain.pipeline import STRICT, PipelineConfig


class Phase(enum.StrEnum):
    """Which of the two phases of training a run is."""

    STATISTICAL = "STATISTICAL"
    GRADIENT = "GRADIENT"


class Stage(enum.StrEnum):
    """What the pipeline was doing when it reported."""

    TRAIN = "TRAIN"
    VALIDATE = "VALIDATE"
    TEST = "TEST"
    INFERENCE = "INFERENCE"


class TrainStatus(enum.StrEnum):
    """State of a run. IN_PROGRESS <-> PAUSED; either ends in COMPLETED, FAILED or CANCELLED, which are final."""

    IN_PROGRESS = "IN_PROGRESS"
    PAUSED = "PAUSED"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"

    @property
    def final(self) -> bool:
        """True if nothing follows."""
        return self in (TrainStatus.COMPLETED, TrainStatus.FAILED, TrainStatus.CANCELLED)


@dataclasses.dataclass(frozen=True, slots=True)
class OnlyFor:
    """Marks a parameter that has a meaning for these choices of `name` alone."""

    names: tuple[str, ...]


@dataclasses.dataclass(frozen=True, kw_only=True)
class OptimizerConfig:
    """How weights follow gradients."""

    __pydantic_config__: ClassVar[dict[str, Any]] = STRICT

    name: Literal["adam", "adamw", "sgd"] = "adam"
    """Algorithm: Adam (Kingma & Ba 2015), AdamW (Loshchilov & Hutter 2019) or stochastic gradient descent."""
    lr: Annotated[float, Gt(0), Le(10)] = 1e-3
    """Learning rate."""
    weight_decay: Annotated[float, Ge(0), Le(1)] = 0.0
    """Pull of the weights towards zero."""
    betas: Annotated[
        tuple[Annotated[float, Ge(0), Le(1)], Annotated[float, Ge(0), Le(1)]], OnlyFor(("adam", "adamw"))
    ] = (0.9, 0.999)
    """Decay of Adam's moment estimates."""
    momentum: Annotated[float, Ge(0), Le(1), OnlyFor(("sgd",))] = 0.0
    """Momentum of SGD."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class SchedulerConfig:
    """How the learning rate changes from epoch to epoch."""

    __pydantic_config__: ClassVar[dict[str, Any]] = STRICT

    name: Literal["step", "cosine", "exponential", "reduce_on_plateau"]
    """Schedule."""
    step_size: Annotated[int, Ge(1), OnlyFor(("step",))] = 10
    """Epochs between two steps of `step`."""
    gamma: Annotated[float, Gt(0), Le(1), OnlyFor(("step", "exponential", "reduce_on_plateau"))] = 0.1
    """Factor that the learning rate is multiplied by."""
    t_max: Annotated[Annotated[int, Ge(1)] | None, OnlyFor(("cosine",))] = None
    """Epochs of a half wave of `cosine`; the whole run if absent."""
    patience: Annotated[int, Ge(0), OnlyFor(("reduce_on_plateau",))] = 10
    """Epochs without improvement before `reduce_on_plateau` acts."""
    monitor: Annotated[str | None, OnlyFor(("reduce_on_plateau",))] = None
    """Metric that `reduce_on_plateau` watches."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class EarlyStoppingConfig:
    """Ends a run that no longer improves."""

    __pydantic_config__: ClassVar[dict[str, Any]] = STRICT

    monitor: Annotated[str, Len(1, 256)]
    """Loss or metric to watch, by the key that progress messages use."""
    mode: Literal["min", "max"] = "min"
    """Whether smaller or larger is better."""
    patience: Annotated[int, Ge(0)] = 5
    """Epochs without improvement before the run ends."""
    min_delta: Annotated[float, Ge(0)] = 0.0
    """Least change that counts as improvement."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class CheckpointConfig:
    """Keeps the state of a gradient run in files, from which `training.resume_from` takes it up again."""

    __pydantic_config__: ClassVar[dict[str, Any]] = STRICT

    monitor: Annotated[str, Len(1, 256)] | None = None
    """Loss or metric that decides which epoch is the best, by the key that progress messages use; absent: none is."""
    mode: Literal["min", "max"] = "min"
    """Whether smaller or larger is better."""
    save_last: bool = True
    """Whether the newest epoch is kept: `checkpoints/last.safetensors` in `output_dir`, beside `best.safetensors`."""
    every_n_epochs: Annotated[int, Ge(1)] = 1
    """Epochs between two newest ones; the end of the run is always kept."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class CallbacksConfig:
    """What watches a run from outside its loop."""

    __pydantic_config__: ClassVar[dict[str, Any]] = STRICT

    early_stopping: EarlyStoppingConfig | None = None
    """Ends the run when it no longer improves; absent: never."""
    checkpoint: CheckpointConfig | None = None
    """Keeps the state of the run in files; absent: none is kept."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrainerConfig:
    """The loop around the gradient steps."""

    __pydantic_config__: ClassVar[dict[str, Any]] = STRICT

    max_epochs: Annotated[int, Ge(1), Le(100_000)] = 20
    """Epochs of the gradient phase."""
    accelerator: Literal["auto", "cpu", "gpu"] = "auto"
    """Where the phase runs; `auto` takes the session's device, `gpu` refuses to run without an accelerator."""
    devices: Annotated[int, Ge(1), Le(64)] = 1
    """How many accelerators, or with `cpu` processes, share each batch (distributed data parallel)."""
    gradient_clip_val: Annotated[float, Gt(0)] | None = None
    """Largest norm of a gradient; absent: not clipped."""
    check_val_every_n_epoch: Annotated[int, Ge(1)] = 1
    """Epochs between two validations."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrainingConfig:
    """How a run trains."""

    __pydantic_config__: ClassVar[dict[str, Any]] = STRICT

    seed: Annotated[int, Ge(0), Le(2**32 - 1)] = 42
    """Same seed and device, same losses."""
    trainer: TrainerConfig = dataclasses.field(default_factory=TrainerConfig)
    """The loop."""
    optimizer: OptimizerConfig = dataclasses.field(default_factory=OptimizerConfig)
    """The optimizer."""
    scheduler: SchedulerConfig | None = None
    """Learning rate schedule; absent: constant."""
    callbacks: CallbacksConfig = dataclasses.field(default_factory=CallbacksConfig)
    """What watches the run."""
    on_non_finite_loss: Literal["stop", "skip"] = "stop"
    """`stop` ends the run with NON_FINITE_LOSS, `skip` leaves the step out."""
    resume_from: Annotated[str, Len(1, 1024)] | None = None
    """Checkpoint below the artifact root to take the gradient phase up from; `max_epochs` counts its epochs, too."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class SyntheticConfig:
    """A generated scene, for work without data: see `catenary_scenes.SceneSpec`."""

    __pydantic_config__: ClassVar[dict[str, Any]] = STRICT

    seed: Annotated[int, Ge(0), Le(2**32 - 1)] = 0
    """Same seed, same scene."""
    rows: Annotated[int, Ge(8), Le(4096)] = 96
    """Height in pixels."""
    cols: Annotated[int, Ge(8), Le(4096)] = 96
    """Width in pixels."""
    bands: Annotated[int, Ge(4), Le(1024)] = 96
    """Spectral bands."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class DataConfig:
    """Which scenes a run sees, and in what portions."""

    __pydantic_config__: ClassVar[dict[str, Any]] = STRICT

    source: Literal["file", "synthetic"] = "file"
    """A file on the server, or a scene generated there."""
    path: str = ""
    """Scene file or folder below a data root of the server, or `path` of an uploaded dataset; required for `file`."""
    validation_path: str | None = None
    """Scene file for validation; absent: the training scene."""
    test_path: str | None = None
    """Scene file for tests; absent: the validation scene."""
    processing_mode: Literal["Raw", "Reflectance"] | None = None
    """Raw counts as stored or reflectance; absent: what suits the file type."""
    synthetic: SyntheticConfig = dataclasses.field(default_factory=SyntheticConfig)
    """The scene of source `synthetic`."""
    tile_size: Annotated[int, Ge(1), Le(4096)] | None = 16
    """Edge of the square tiles a scene is cut into, in pixels; absent: the whole scene is one tile."""
    batch_size: Annotated[int, Ge(1), Le(4096)] = 8
    """Tiles in a batch."""
    num_workers: Annotated[int, Ge(0), Le(64)] = 0
    """Processes that load batches; 0 loads in the worker itself."""
    shuffle: bool = True
    """Whether each epoch of the gradient phase sees the tiles in another order."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrainRunConfig:
    """Everything a run needs: pipeline, data, training."""

    __pydantic_config__: ClassVar[dict[str, Any]] = STRICT

    name: Annotated[str, Len(1, 128)]
    """Name of the trainrun."""
    pipeline: PipelineConfig | None = None
    """The graph to train; absent: the pipeline that the session has loaded."""
    data: DataConfig | None = None
    """What it learns from."""
    training: TrainingConfig = dataclasses.field(default_factory=TrainingConfig)
    """How it learns."""
    loss_nodes: tuple[str, ...] = ()
    """Nodes whose losses are summed in the gradient phase."""
    metric_nodes: tuple[str, ...] = ()
    """Nodes whose values are reported."""
    freeze_nodes: tuple[str, ...] = ()
    """Nodes whose weights stay as they are in the gradient phase."""
    unfreeze_nodes: tuple[str, ...] = ()
    """Nodes that learn although their type does not by default."""
    output_dir: str = "outputs"
    """Folder below the artifact root for what the run writes."""
    weights_path: str | None = None
    """Weights of the pipeline, below the artifact root; written by SaveTrainRun, read by RestoreTrainRun."""
    tags: Mapping[str, str] = dataclasses.field(default_factory=dict)
    """Words for the run list."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class TrainingJob:
    """One phase to run in a worker; paths in `data` are absolute and already confined."""

    phase: Phase
    config: TrainRunConfig
    checkpoint: memoryview | None = None
    """The bytes of the checkpoint that the gradient phase is taken up from."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationJob:
    """One pass over a split, without learning."""

    stage: Stage
    config: TrainRunConfig
