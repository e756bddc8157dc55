"""A runtime whose workers do what a test says, step by step, without processes."""

from __future__ import annotations

import asyncio
import dataclasses
from typing import TYPE_CHECKING

import numpy as np
from fake_plugins import node_of

from catenary_server.domain.control import Applied
from catenary_server.domain.failure import Failure, Reason, Resource
from catenary_server.domain.node import NodeCategory, NodeSpec, ParamSpec, PortSpec
from catenary_server.domain.profiling import NodeTimes
from catenary_server.domain.progress import Progress
from catenary_server.domain.runtime import Catalog, DataReader, Device, Inference, WeightsReport
from catenary_server.domain.tensor import DType, Tensor
from catenary_server.domain.training import Stage, TrainStatus

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping, Sequence

    from catenary_server.domain.checkpoint import Checkpoint
    from catenary_server.domain.control import Command
    from catenary_server.domain.pipeline import PipelineConfig
    from catenary_server.domain.plugin import InstalledPlugin
    from catenary_server.domain.profiling import ProfilingChange
    from catenary_server.domain.runtime import Reservation
    from catenary_server.domain.training import EvaluationJob, TrainingJob

CUBE = (-1, -1, -1, -1)
SCORES = (-1, -1, -1, 1)
WEIGHTS = b"weights of the fake"


def _port(name: str, shape: tuple[int, ...], *, optional: bool = False, dtype: DType = DType.FLOAT32) -> PortSpec:
    return PortSpec(name=name, dtype=dtype, shape=shape, optional=optional, description=f"the {name}")


CATALOG = Catalog(
    nodes={
        spec.class_name: spec
        for spec in (
            NodeSpec(
                class_name="Scale",
                full_path="fake.Scale",
                category=NodeCategory.TRANSFORM,
                description="Scales.",
                inputs=(_port("cube", CUBE),),
                outputs=(_port("cube", CUBE),),
                params=(
                    ParamSpec(name="factor", type="number", default="2"),
                    ParamSpec(name="output_dir", type="path"),
                ),
                tags=("hyperspectral", "no tag of the contract"),
            ),
            NodeSpec(
                class_name="Detector",
                full_path="fake.Detector",
                category=NodeCategory.MODEL,
                description="Scores.",
                inputs=(_port("cube", CUBE), _port("bboxes", (-1, 6), optional=True, dtype=DType.FLOAT64)),
                outputs=(_port("scores", SCORES),),
                statistical=True,
            ),
        )
    },
    devices=(Device(name="cpu", description="a processor", memory_total_bytes=1024),),
    readers=(
        DataReader(suffix=".npz", missing_requirement="", processing_modes=("Raw",), default_processing_mode="Raw"),
        DataReader(
            suffix=".cu3s",
            missing_requirement="install it",
            processing_modes=("Raw", "Reflectance"),
            default_processing_mode="Reflectance",
        ),
    ),
)

PLAN: tuple[Progress | str | Failure, ...] = (
    Progress(message="Initializing detector ...", batches_total=3),
    *(
        Progress(message=f"Processing batch {i}/3", batch_index=i - 1, batches_done=i, batches_total=3, global_step=i)
        for i in (1, 2, 3)
    ),
    "Training complete (1 epochs)",
)


TIMES = tuple(
    NodeTimes(
        node=node,
        stage=stage,
        count=2,
        mean_ms=1.5,
        median_ms=1.5,
        std_ms=0.5,
        min_ms=1.0,
        max_ms=2.0,
        total_ms=3.0,
        last_ms=2.0,
    )
    for node in ("scale", "detector")
    for stage in (Stage.TRAIN, Stage.INFERENCE)
)


class FakeReservation:
    """Ordinary memory."""

    def __init__(self, sizes: Sequence[int]) -> None:
        self.memory = tuple(memoryview(bytearray(size)) for size in sizes)
        self.released = False

    def release(self) -> None:
        self.released = True


class FakeWorker:
    """Follows the runtime's plan; while the runtime holds, each item waits for `proceed`."""

    process_id = 1

    def __init__(self, runtime: FakeRuntime, device: str, on_lost: Callable[[Failure], None]) -> None:
        self.runtime = runtime
        self.device = device
        self.pipeline: PipelineConfig | None = None
        self.weights = WEIGHTS
        self.plugins: list[InstalledPlugin] = []
        self.closed = False
        self.jobs: list[TrainingJob | EvaluationJob] = []
        self.inputs: Mapping[str, Tensor] = {}
        self.taken = 0
        """Inferences that were asked for."""
        self.reservations: list[FakeReservation] = []
        self.commands: list[Command] = []
        self.profiling: ProfilingChange | None = None
        self._on_lost = on_lost
        self._turns: asyncio.Queue[Failure | None] = asyncio.Queue()

    def proceed(self, steps: int = 1) -> None:
        """Let so many items of the plan pass."""
        for _ in range(steps):
            self._turns.put_nowait(None)

    def crash(self) -> None:
        """End without being asked."""
        failure = Failure(Reason.WORKER_CRASHED, "the worker process died")
        self.closed = True
        self._turns.put_nowait(failure)
        self._on_lost(failure)

    async def load_pipeline(self, pipeline: PipelineConfig) -> None:
        await self.runtime.meet("load_pipeline")
        self._require_alive()
        self.pipeline = pipeline

    async def load_plugin(self, plugin: InstalledPlugin) -> Mapping[str, NodeSpec]:
        await self.runtime.meet("load_plugin")
        self._require_alive()
        self.plugins.append(plugin)
        return {name: node_of(plugin, name) for name in self.runtime.exports.get(plugin.name, ())}

    async def load_weights(self, weights: bytes, *, strict: bool) -> WeightsReport:
        await self.runtime.meet("load_weights")
        self._require_alive()
        if strict and not weights.startswith(b"weights"):
            raise Failure(Reason.WEIGHTS_MISMATCH, "the weights do not fit", resource=Resource("weights", "fake"))
        self.weights = weights
        return WeightsReport() if strict else WeightsReport(missing=("detector.bias",), unexpected=("ghost.weight",))

    async def dump_weights(self) -> bytes:
        await self.runtime.meet("dump_weights")
        self._require_alive()
        return self.weights

    async def train(self, job: TrainingJob) -> AsyncIterator[Progress | Checkpoint | str]:
        await self.runtime.meet("train")
        self.jobs.append(job)
        async for item in self._follow_plan():
            yield item

    async def evaluate(self, job: EvaluationJob) -> AsyncIterator[Progress | str]:
        self.jobs.append(job)
        async for item in self._follow_plan():
            if isinstance(item, str):
                yield "Evaluation complete"
            elif isinstance(item, Progress):
                yield dataclasses.replace(item, metrics={"test_iou": 0.5})

    async def stop_training(self) -> bool:
        self._require_alive()
        self._turns.put_nowait(Failure(Reason.TRAIN_CANCELLED, "the run was stopped"))
        return True

    async def control(self, command: Command) -> Applied:
        self._require_alive()
        self.commands.append(command)
        if command.value is None:
            return Applied(3, TrainStatus.IN_PROGRESS, TrainStatus.PAUSED)
        return Applied(3, 0.5, command.value)

    async def set_profiling(self, change: ProfilingChange) -> bool:
        self._require_alive()
        self.profiling = change
        return change.enabled

    async def profile(self, stage: Stage | None) -> tuple[NodeTimes, ...]:
        self._require_alive()
        return tuple(times for times in TIMES if stage in (None, times.stage))

    async def reserve(self, sizes: Sequence[int]) -> FakeReservation:
        await self.runtime.meet("reserve")
        self._require_alive()
        self.reservations.append(FakeReservation(sizes))
        return self.reservations[-1]

    async def infer(
        self, inputs: Mapping[str, Tensor], outputs: Sequence[str], reservation: Reservation | None = None
    ) -> Inference:
        self.taken += 1
        await self.runtime.meet("infer")
        self._require_alive()
        if reservation is not None:
            assert reservation is self.reservations[-1]
            assert not self.reservations[-1].released
        self.inputs = inputs
        scores = inputs["cube"].array().mean(axis=-1, keepdims=True)
        found = {name: Tensor.of(np.ascontiguousarray(scores)) for name in outputs or ["detector.scores"]}
        return Inference(outputs=found, metrics={"detector.mean": float(scores.mean())})

    async def close(self) -> None:
        await asyncio.sleep(0)  # others get a turn, as they do while a process ends
        self.closed = True
        self._turns.put_nowait(Failure(Reason.WORKER_CRASHED, "the worker process ended"))

    async def _follow_plan(self) -> AsyncIterator[Progress | Checkpoint | str]:
        for item in self.runtime.plan:
            if self.runtime.held or not self._turns.empty():
                turn = await self._turns.get()
                if turn is not None:
                    raise turn
            if isinstance(item, Failure):
                raise item
            yield item

    def _require_alive(self) -> None:
        if self.closed:
            raise Failure(Reason.WORKER_CRASHED, "the worker process died")


class FakeRuntime:
    """Starts fake workers and keeps them for the test to look at.

    `faults` maps a worker's call to what it raises; `pauses` to an event that it waits for.
    """

    def __init__(self) -> None:
        self.workers: list[FakeWorker] = []
        self.plan: tuple[Progress | Checkpoint | str | Failure, ...] = PLAN
        self.held = False
        self.faults: dict[str, BaseException] = {}
        self.exports: dict[str, tuple[str, ...]] = {}
        """Class names of the node types that a plugin brings."""
        self.pauses: dict[str, asyncio.Event] = {}
        self.met: asyncio.Queue[str] = asyncio.Queue()

    @property
    def worker(self) -> FakeWorker:
        """The newest worker."""
        return self.workers[-1]

    async def meet(self, call: str) -> None:
        """Pass a call's fault and pause, if the test has set one."""
        self.met.put_nowait(call)
        if call in self.pauses:
            await self.pauses[call].wait()
        if call in self.faults:
            raise self.faults[call]

    async def reached(self, call: str) -> None:
        """Wait until a worker gets this call; calls before it count as seen."""
        while await self.met.get() != call:
            pass

    async def start(self) -> Catalog:
        return CATALOG

    async def start_worker(self, *, device: str, on_lost: Callable[[Failure], None]) -> FakeWorker:
        await self.meet("start_worker")
        worker = FakeWorker(self, device, on_lost)
        self.workers.append(worker)
        return worker

    @property
    def worker_count(self) -> int:
        return sum(not worker.closed for worker in self.workers)

    async def close(self) -> None:
        for worker in self.workers:
            await worker.close()
