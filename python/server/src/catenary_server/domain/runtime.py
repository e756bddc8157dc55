"""The border between the front end, which never imports torch, and the worker processes, which do."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping, Sequence
    from concurrent.futures import Future

    from catenary_server.domain.checkpoint import Checkpoint
    from catenary_server.domain.control import Applied, Command
    from catenary_server.domain.failure import Failure
    from catenary_server.domain.node import NodeSpec
    from catenary_server.domain.pipeline import PipelineConfig
    from catenary_server.domain.plugin import InstalledPlugin
    from catenary_server.domain.profiling import NodeTimes, ProfilingChange
    from catenary_server.domain.progress import Progress
    from catenary_server.domain.tensor import Tensor
    from catenary_server.domain.training import EvaluationJob, Stage, TrainingJob


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Inference:
    """What a pipeline computed: tensors by `node.port`, and scalars."""

    outputs: Mapping[str, Tensor]
    metrics: Mapping[str, float]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """A place where torch can compute: `cpu`, `cuda:0`. Memory in bytes, 0 where unknown."""

    name: str
    description: str
    memory_total_bytes: int = 0
    memory_free_bytes: int = 0


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class DataReader:
    """A format of scene files: its suffix, what the server lacks to read it, and how what is stored may be processed.

    `processing_modes` are named as data configurations name them.
    """

    suffix: str
    missing_requirement: str
    processing_modes: tuple[str, ...]
    default_processing_mode: str


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Catalog:
    """What the workers of this server can do: node types by class name, devices, formats they read."""

    nodes: Mapping[str, NodeSpec]
    devices: tuple[Device, ...]
    readers: tuple[DataReader, ...] = ()


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class WeightsReport:
    """What one side named alone when weights were loaded without `strict`: tensors by `node.tensor`, sorted."""

    missing: tuple[str, ...] = ()
    """Of the pipeline, not in the file: they stayed as they were."""
    unexpected: tuple[str, ...] = ()
    """In the file, not of the pipeline: they were left out."""


class Engine(Protocol):
    """The inside of a worker. Calls come from several threads; `train` and `infer` may overlap.

    Every method raises `Failure` for what the client can mend; anything else is a bug of a node or of ours.
    """

    def catalog(self) -> Catalog:
        """Node types and devices."""
        ...

    def load_pipeline(self, pipeline: PipelineConfig) -> None:
        """Build the graph, replacing the one before. All or nothing."""
        ...

    def load_plugin(self, plugin: InstalledPlugin) -> Mapping[str, NodeSpec]:
        """Import a plugin, unless it is there, and return its node types by class name; later pipelines may use them.

        Raises:
            Failure: PLUGIN_NOT_INSTALLED if it changed meanwhile or cannot be used.
        """
        ...

    def load_weights(self, weights: memoryview, *, strict: bool) -> WeightsReport:
        """Read safetensors bytes into the graph. All or nothing; what is loaded fits in shape and type.

        Raises:
            Failure: WEIGHTS_CORRUPT, WEIGHTS_FORMAT_FORBIDDEN, STATE_INVALID, WEIGHTS_MISMATCH for a wrong shape or
                type, and with `strict` for a name that only one side has.
        """
        ...

    def dump_weights(self) -> bytes:
        """Weights and fitted statistics of the graph as safetensors bytes."""
        ...

    def train(
        self,
        job: TrainingJob,
        report: Callable[[Progress], None],
        keep: Callable[[Checkpoint], None] = lambda _: None,
    ) -> str:
        """Run one phase to its end and return the closing message; reports are IN_PROGRESS or PAUSED only.

        `keep` takes the checkpoints that the configuration asks for.

        Raises:
            Failure: TRAIN_CANCELLED after `stop_training`, or why the run could not go on.
        """
        ...

    def evaluate(self, job: EvaluationJob, report: Callable[[Progress], None]) -> str:
        """Run the metrics over one split and return the closing message; the last report has the final metrics."""
        ...

    def stop_training(self) -> bool:
        """Ask the running phase to end at the next step boundary. False if none runs."""
        ...

    def control(self, command: Command) -> Future[Applied]:
        """Ask the running phase something, and return at once: the answer is there when it took effect.

        The answer is a `Failure` instead: COMMAND_INVALID if the phase cannot obey, STATE_INVALID if none runs.
        """
        ...

    def set_profiling(self, change: ProfilingChange) -> bool:
        """Set how nodes are measured, and return at once whether they are. A pipeline starts unmeasured."""
        ...

    def profile(self, stage: Stage | None) -> tuple[NodeTimes, ...]:
        """What was measured, in graph order, of one stage or of all; returns at once."""
        ...

    def infer(self, inputs: Mapping[str, Tensor], outputs: Sequence[str]) -> Inference:
        """Compute outputs (`node.port`); while a run goes on, with the weights of its last finished epoch.

        Outputs may share memory with inputs: they hold for as long as those are kept.
        """
        ...


class Reservation(Protocol):
    """Memory of a worker that inputs are written to as they come, so that nothing is copied a second time."""

    @property
    def memory(self) -> tuple[memoryview, ...]:
        """One writable view for each size that was asked for."""
        ...

    def release(self) -> None:
        """Give the memory back unless an inference has it. Idempotent."""
        ...


class Worker(Protocol):
    """A session's process, seen from the front end. When it dies, every call raises WORKER_CRASHED."""

    @property
    def process_id(self) -> int:
        """Process id, for operators."""
        ...

    async def load_pipeline(self, pipeline: PipelineConfig) -> None:
        """See `Engine.load_pipeline`."""
        ...

    async def load_plugin(self, plugin: InstalledPlugin) -> Mapping[str, NodeSpec]:
        """See `Engine.load_plugin`."""
        ...

    async def load_weights(self, weights: bytes, *, strict: bool) -> WeightsReport:
        """See `Engine.load_weights`."""
        ...

    async def dump_weights(self) -> bytes:
        """See `Engine.dump_weights`."""
        ...

    def train(self, job: TrainingJob) -> AsyncIterator[Progress | Checkpoint | str]:
        """Reports and checkpoints of the phase, then its closing message. Leaving the iterator does not stop the phase.

        Raises:
            Failure: what `Engine.train` raised, or WORKER_CRASHED.
        """
        ...

    def evaluate(self, job: EvaluationJob) -> AsyncIterator[Progress | str]:
        """Reports of the evaluation, then its closing message."""
        ...

    async def stop_training(self) -> bool:
        """See `Engine.stop_training`."""
        ...

    async def control(self, command: Command) -> Applied:
        """See `Engine.control`; returns when the command took effect."""
        ...

    async def set_profiling(self, change: ProfilingChange) -> bool:
        """See `Engine.set_profiling`."""
        ...

    async def profile(self, stage: Stage | None) -> tuple[NodeTimes, ...]:
        """See `Engine.profile`."""
        ...

    async def infer(
        self, inputs: Mapping[str, Tensor], outputs: Sequence[str], reservation: Reservation | None = None
    ) -> Inference:
        """See `Engine.infer`. Inferences of one worker are answered in the order they were asked.

        With a reservation of this worker, the payloads of all inputs lie in its memory; it is used up.
        """
        ...

    async def reserve(self, sizes: Sequence[int]) -> Reservation:
        """Memory for payloads of these lengths in bytes.

        Raises:
            Failure: QUOTA_MEMORY if the machine has no room for them, WORKER_CRASHED.
        """
        ...

    async def close(self) -> None:
        """End the process and free its device; returns when it is gone. Idempotent."""
        ...


class Runtime(Protocol):
    """Starts workers."""

    async def start(self) -> Catalog:
        """Make ready to start workers quickly, and learn what they can do."""
        ...

    async def start_worker(self, *, device: str, on_lost: Callable[[Failure], None]) -> Worker:
        """Start a worker for one session. `on_lost` is called once on the loop if it ends without `close`.

        Raises:
            Failure: DEVICE_INVALID, DEVICE_UNAVAILABLE.
        """
        ...

    @property
    def worker_count(self) -> int:
        """Workers whose process has not ended."""
        ...

    async def close(self) -> None:
        """End every worker."""
        ...
