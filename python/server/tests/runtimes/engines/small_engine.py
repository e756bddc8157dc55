"""An engine without torch for real worker processes: shows what crosses the border, misbehaves on request."""

from __future__ import annotations

import dataclasses
import multiprocessing
import os
import signal
import sys
import threading
import time
from concurrent.futures import Future
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from catenary_server.domain.checkpoint import Checkpoint
from catenary_server.domain.control import Applied, Command, ControlAction
from catenary_server.domain.failure import Failure, Reason, Resource, Violation
from catenary_server.domain.node import NodeCategory, NodeSpec, ParamSpec, PortSpec
from catenary_server.domain.profiling import NodeTimes
from catenary_server.domain.progress import Progress
from catenary_server.domain.runtime import Catalog, Device, Inference, WeightsReport
from catenary_server.domain.tensor import DType, Tensor
from catenary_server.domain.training import Phase, TrainStatus

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from catenary_server.domain.pipeline import PipelineConfig
    from catenary_server.domain.plugin import InstalledPlugin
    from catenary_server.domain.profiling import ProfilingChange
    from catenary_server.domain.training import EvaluationJob, Stage, TrainingJob

ECHO = NodeSpec(
    class_name="Echo",
    full_path="small_engine.Echo",
    category=NodeCategory.TRANSFORM,
    description="Gives back what it gets",
    inputs=(PortSpec(name="cube", dtype=DType.FLOAT32, shape=(-1, -1, 3)),),
    params=(ParamSpec(name="gain", type="number"),),
)
DEADLINE = 60.0


class SmallEngine:
    """Answers by the words of the request: pipeline tags and output names say what to do."""

    def __init__(self, device: str) -> None:
        self.device = device
        self.pipeline: PipelineConfig | None = None
        self.weights = b""
        self.kept: list[Tensor] = []
        self.training = False
        self.reported = 0
        self.stop = threading.Event()

    def catalog(self) -> Catalog:
        """One node type, three devices."""
        return Catalog(nodes={"Echo": ECHO}, devices=(Device(name="cpu", description="CPU"), _gpu(0), _gpu(1)))

    def load_plugin(self, plugin: InstalledPlugin) -> Mapping[str, NodeSpec]:
        """Bring a node type named like the plugin."""
        return {plugin.name: dataclasses.replace(ECHO, class_name=plugin.name, plugin_name=plugin.name)}

    def load_pipeline(self, pipeline: PipelineConfig) -> None:
        """Refuse or fail by name, keep otherwise."""
        match pipeline.metadata.name:
            case "refuse":
                raise Failure(
                    Reason.GRAPH_INVALID,
                    "a cycle",
                    resource=Resource("pipeline", "p"),
                    violations=(Violation("connections.0", "cycle"),),
                    retry_after=1.5,
                    metadata={"next_offset": "7"},
                )
            case "bug":
                raise ZeroDivisionError("secret detail")
            case "leave":
                sys.exit(3)
        self.pipeline = pipeline

    def load_weights(self, weights: memoryview, *, strict: bool) -> WeightsReport:
        """Keep a copy."""
        self.weights = bytes(weights) + (b"strict" if strict else b"")
        return WeightsReport() if strict else WeightsReport(missing=("node.missing",))

    def dump_weights(self) -> bytes:
        """What was loaded."""
        return self.weights

    def infer(self, inputs: Mapping[str, Tensor], outputs: Sequence[str]) -> Inference:
        """Give the inputs back, after doing what the output names say."""
        for word in outputs:
            self._obey(word, inputs)
        return Inference(outputs={f"echo.{name}": tensor for name, tensor in inputs.items()}, metrics=self._metrics())

    def train(
        self,
        job: TrainingJob,
        report: Callable[[Progress], None],
        keep: Callable[[Checkpoint], None] = lambda _: None,
    ) -> str:
        """Report `max_epochs` times, or until stopped; a checkpoint that is given is kept, doubled."""
        self.training = True
        if job.checkpoint is not None:
            keep(Checkpoint(name="last", epochs_done=1, content=memoryview(bytes(job.checkpoint) * 2)))
        try:
            return self._train(job, report)
        finally:
            self.training = False
            self.stop.clear()

    def evaluate(self, job: EvaluationJob, report: Callable[[Progress], None]) -> str:
        """One report."""
        report(Progress(stage=job.stage, metrics={"iou": np.float64(0.5)}))
        return "Evaluation complete"

    def stop_training(self) -> bool:
        """Heard only while training."""
        if self.training:
            self.stop.set()
        return self.training

    def control(self, command: Command) -> Future[Applied]:
        """Answered by another thread; the learning rate is refused."""
        answer: Future[Applied] = Future()
        threading.Thread(target=self._control, args=(command, answer)).start()
        return answer

    def set_profiling(self, change: ProfilingChange) -> bool:
        """Keep it."""
        self.profiling = change
        return change.enabled

    def profile(self, stage: Stage | None) -> tuple[NodeTimes, ...]:
        """One call of a node in the stage that is asked for."""
        if stage is None:
            return ()
        return (
            NodeTimes(
                node="echo",
                stage=stage,
                count=1,
                mean_ms=1.0,
                median_ms=1.0,
                std_ms=0.0,
                min_ms=1.0,
                max_ms=1.0,
                total_ms=1.0,
                last_ms=1.0,
            ),
        )

    @staticmethod
    def _control(command: Command, answer: Future[Applied]) -> None:
        if command.action is ControlAction.LEARNING_RATE:
            answer.set_exception(Failure(Reason.COMMAND_INVALID, "no"))
        else:
            answer.set_result(Applied(7, 1.0, TrainStatus.PAUSED))

    def _train(self, job: TrainingJob, report: Callable[[Progress], None]) -> str:
        epochs = job.config.training.trainer.max_epochs
        for epoch in range(epochs):
            if self.stop.is_set():
                raise Failure(Reason.TRAIN_CANCELLED, f"stopped in epoch {epoch}")
            self.reported = epoch + 1
            report(
                Progress(status=TrainStatus.IN_PROGRESS, phase=Phase.GRADIENT, epoch=epoch, losses={"mlp_loss": 0.5})
            )
        if job.config.name == "until stopped":
            if not self.stop.wait(DEADLINE):
                return "never stopped"
            raise Failure(Reason.TRAIN_CANCELLED, "stopped")
        if job.config.name == "die":
            signal.raise_signal(signal.SIGSEGV)  # in this thread, so before anything else happens
        return f"Training complete ({epochs} epochs)"

    def _metrics(self) -> dict[str, float]:
        return {
            "pid": np.float64(os.getpid()),  # engines slip numpy numbers in
            "loaded": float(self.pipeline is not None),
            "descriptors": _descriptors(),
            "reported": self.reported,
        }

    def _obey(self, word: str, inputs: Mapping[str, Tensor]) -> None:
        order, _, argument = word.partition("=")
        match order:
            case "wait for file":
                _wait_for_file(Path(argument))
            case "make file":
                Path(argument).touch()
            case "keep inputs":
                self.kept = list(inputs.values())
            case "drop inputs":
                self.kept = []
            case "check kept inputs":
                if any(np.any(tensor.array() != int(argument)) for tensor in self.kept):
                    raise AssertionError("memory in use was written")
            case "exit":
                os._exit(int(argument))
            case _:
                self._tell(order)

    def _tell(self, order: str) -> None:
        match order:
            case "foreign type":
                raise Failure(Reason.NODE_FAILED, "x", metadata={"path": Path("x")})  # type: ignore[dict-item] # on purpose
            case "helper process":
                helper = multiprocessing.Process(target=os._exit, args=(6,))
                helper.start()
                helper.join(DEADLINE)
                raise Failure(Reason.NODE_FAILED, f"{multiprocessing.get_start_method()} {helper.exitcode}")
            case "device":
                raise Failure(Reason.NODE_FAILED, self.device)


def build_engine(device: str) -> SmallEngine:
    """The engine."""
    return SmallEngine(device)


def refuse_device(device: str) -> SmallEngine:
    """No device: works only for the throw-away worker that reads the catalog."""
    if device != "cpu":
        raise Failure(Reason.DEVICE_UNAVAILABLE, f"{device} is gone")
    return SmallEngine(device)


def _gpu(index: int) -> Device:
    return Device(name=f"cuda:{index}", description="pretended", memory_total_bytes=1 << 30)


def _descriptors() -> float:
    return float(len(list(Path("/proc/self/fd").iterdir())))


def _wait_for_file(path: Path) -> None:
    end = time.monotonic() + DEADLINE
    while not path.exists():
        if time.monotonic() > end:
            raise TimeoutError(path)
        threading.Event().wait(0.01)
