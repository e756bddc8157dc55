"""The engine of a worker: one pipeline, its training and its inference."""

from __future__ import annotations

import contextlib
import copy
import dataclasses
import threading
from typing import TYPE_CHECKING, Any

import lightning.pytorch as pl

from catenary_server.domain.failure import Failure, Reason
from catenary_server.domain.graph import check_graph
from catenary_server.domain.node import NodeCategory, NodeSpec
from catenary_server.domain.runtime import Catalog, Engine, Inference, WeightsReport
from catenary_server.domain.training import Phase, Stage
from catenary_server.engine import weights as weight_files
from catenary_server.engine.devices import choose_device, list_devices
from catenary_server.engine.gradient_phase import Outlets, Placing, train_gradients
from catenary_server.engine.inference import infer
from catenary_server.engine.measurement import Measurement, require_nodes
from catenary_server.engine.memory_faults import memory_faults
from catenary_server.engine.pipeline_module import PipelineModule, build_module
from catenary_server.engine.plugin_types import no_plugins, plugin_types
from catenary_server.engine.ranks import RankTask, choose_devices, helped
from catenary_server.engine.readers import list_readers
from catenary_server.engine.reporting import Reporter
from catenary_server.engine.scene_batches import open_batches
from catenary_server.engine.statistical_phase import fit_statistics
from catenary_server.engine.step_control import StepControl

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from concurrent.futures import Future

    import torch

    from catenary_server.domain.checkpoint import Checkpoint
    from catenary_server.domain.control import Applied, Command
    from catenary_server.domain.pipeline import PipelineConfig
    from catenary_server.domain.plugin import InstalledPlugin
    from catenary_server.domain.profiling import NodeTimes, ProfilingChange
    from catenary_server.domain.progress import Progress
    from catenary_server.domain.tensor import Tensor
    from catenary_server.domain.training import EvaluationJob, TrainingJob, TrainRunConfig
    from catenary_server.nodes.node import Node

_PREFIXES = {Stage.VALIDATE: "val_", Stage.TEST: "test_"}


class TorchEngine(Engine):
    """Implements `domain.runtime.Engine` with torch and Lightning.

    Training works on a copy of the pipeline; `_serving`, which everything else reads, is replaced as a whole when an
    epoch of the gradient phase or the whole statistical phase is done. So inference never sees half a step, and a run
    that fails or is stopped leaves the last finished epoch behind.

    Args:
        types: node types by every name they go by.
        device: `cpu`, `cuda:0`, or `auto`.
        import_plugin: imports a plugin and returns what it exports.
    """

    def __init__(
        self,
        types: Mapping[str, type[Node[Any]]],
        device: str = "auto",
        *,
        import_plugin: Callable[[InstalledPlugin], object] = no_plugins,
    ) -> None:
        self._types = dict(types)
        self._import_plugin = import_plugin
        self._plugins: dict[InstalledPlugin, Mapping[str, NodeSpec]] = {}
        self._specs = {name: _named(node.spec(), name) for name, node in types.items()}
        self._device_name = device
        self._serving: PipelineModule | None = None
        self._pipeline: PipelineConfig | None = None
        self._control = StepControl()
        self._running = threading.Lock()
        self._inferring = threading.Lock()

    def catalog(self) -> Catalog:
        """See `Engine.catalog`."""
        return Catalog(nodes=self._specs, devices=list_devices(), readers=list_readers())

    def load_pipeline(self, pipeline: PipelineConfig) -> None:
        """See `Engine.load_pipeline`; SESSION_BUSY while a phase runs."""
        with self._exclusive(Reason.SESSION_BUSY), memory_faults("the pipeline"):
            module = build_module(pipeline, check_graph(pipeline, self._specs), self._types)
            device = choose_device(self._device_name)
            module.profiler.device = device
            self._serving = module.to(device)
            self._pipeline = pipeline

    def load_plugin(self, plugin: InstalledPlugin) -> Mapping[str, NodeSpec]:
        """See `Engine.load_plugin`."""
        if plugin not in self._plugins:
            types = plugin_types(plugin, self._import_plugin(plugin), self._types)
            specs = {
                name: dataclasses.replace(node.spec(), source="plugin", plugin_name=plugin.name)
                for name, node in types.items()
            }
            self._types |= types
            self._specs |= specs
            self._plugins[plugin] = specs
        return self._plugins[plugin]

    def load_weights(self, weights: memoryview, *, strict: bool) -> WeightsReport:
        """See `Engine.load_weights`; SESSION_BUSY while a phase runs."""
        with self._exclusive(Reason.SESSION_BUSY), memory_faults("the pipeline with these weights"):
            module = copy.deepcopy(self._require_pipeline())
            report = weight_files.load_weights(module, weights, strict=strict)
            self._serving = module
            return report

    def dump_weights(self) -> bytes:
        """See `Engine.dump_weights`; while a phase runs, those of the last finished epoch."""
        return weight_files.dump_weights(self._require_pipeline())

    def train(
        self,
        job: TrainingJob,
        report: Callable[[Progress], None],
        keep: Callable[[Checkpoint], None] = lambda _: None,
    ) -> str:
        """See `Engine.train`."""
        with self._exclusive(Reason.ALREADY_TRAINING), self._control.running(), memory_faults("the run"):
            module = copy.deepcopy(self._require_pipeline())
            require_nodes(module, job.config)
            pl.seed_everything(job.config.training.seed, verbose=False)
            reporter = Reporter(report, job.phase, self._control)
            if job.phase is Phase.STATISTICAL:
                return self._fit(module, job.config, reporter)
            return self._descend(module, job, reporter, keep)

    def evaluate(self, job: EvaluationJob, report: Callable[[Progress], None]) -> str:
        """See `Engine.evaluate`."""
        with self._exclusive(Reason.ALREADY_TRAINING), self._control.running(), memory_faults("the evaluation"):
            module = copy.deepcopy(self._require_pipeline())
            require_nodes(module, job.config)
            self._measure(module, job.config, Reporter(report, None, self._control), job.stage)
            return "Validation complete" if job.stage is Stage.VALIDATE else "Test complete"

    def stop_training(self) -> bool:
        """See `Engine.stop_training`."""
        return self._control.stop()

    def control(self, command: Command) -> Future[Applied]:
        """See `Engine.control`."""
        return self._control.submit(command)

    def set_profiling(self, change: ProfilingChange) -> bool:
        """See `Engine.set_profiling`."""
        return self._require_pipeline().profiler.change(change)

    def profile(self, stage: Stage | None) -> tuple[NodeTimes, ...]:
        """See `Engine.profile`."""
        module = self._require_pipeline()
        return module.profiler.summary(module.graph.order, stage)

    def infer(self, inputs: Mapping[str, Tensor], outputs: Sequence[str]) -> Inference:
        """See `Engine.infer`."""
        module = self._require_pipeline()
        with self._inferring, memory_faults("the inference"):
            return infer(module, inputs, outputs, choose_device(self._device_name))

    def _fit(self, module: PipelineModule, config: TrainRunConfig, reporter: Reporter) -> str:
        with module.profiler.stage(Stage.TRAIN):
            fit_statistics(module, open_batches(config.data, Stage.TRAIN), reporter, choose_device(self._device_name))
        self._publish(module)
        if config.metric_nodes:
            self._measure(module, config, reporter, Stage.VALIDATE)
        return "Statistical training complete"

    def _descend(
        self, module: PipelineModule, job: TrainingJob, reporter: Reporter, keep: Callable[[Checkpoint], None]
    ) -> str:
        devices = choose_devices(job.config, choose_device(self._device_name))
        outlets = Outlets(self._publish, keep)
        with contextlib.ExitStack() as stack:
            placing = Placing(devices)
            if len(devices) > 1:
                task = self._rank_task(module, job, devices)
                placing = Placing(devices, task.share)
                stack.enter_context(helped(task, reporter.at_boundary))
            epochs = train_gradients(module, job.config, reporter, outlets, placing=placing, checkpoint=job.checkpoint)
        return f"Training complete ({epochs} epochs)"

    def _rank_task(self, module: PipelineModule, job: TrainingJob, devices: tuple[torch.device, ...]) -> RankTask:
        assert self._pipeline is not None  # noqa: S101 - there is a module, so it was loaded
        return RankTask(
            pipeline=self._pipeline,
            types=self._types,
            weights=weight_files.dump_weights(module),
            config=job.config,
            checkpoint=None if job.checkpoint is None else bytes(job.checkpoint),
            devices=tuple(map(str, devices)),
            meeting="",
        )

    def _measure(self, module: PipelineModule, config: TrainRunConfig, reporter: Reporter, stage: Stage) -> None:
        batches, device = open_batches(config.data, stage), choose_device(self._device_name)
        metric_nodes = config.metric_nodes or module.of_category(NodeCategory.METRIC)
        measurement = Measurement(module, config.loss_nodes, metric_nodes, _PREFIXES[stage])
        for index, batch in enumerate(batches):
            with module.profiler.stage(stage):
                measurement.update({name: tensor.to(device) for name, tensor in batch.items()})
            reporter.at_boundary()
            if index + 1 < len(batches) and stage is Stage.TEST:
                reporter.send(stage=stage, batch_index=index, batches_done=index + 1, batches_total=len(batches))
        reporter.send(
            stage=stage,
            batches_done=len(batches),
            batches_total=len(batches),
            losses=measurement.losses(),
            metrics=measurement.metrics(),
        )

    def _publish(self, module: PipelineModule) -> None:
        self._serving = module.to(choose_device(self._device_name))

    def _require_pipeline(self) -> PipelineModule:
        if self._serving is None:
            raise Failure(Reason.STATE_INVALID, "the session has no pipeline: load one first")
        return self._serving

    @contextlib.contextmanager
    def _exclusive(self, reason: Reason) -> Iterator[None]:
        """One phase at a time, without waiting for it."""
        if not self._running.acquire(blocking=False):
            raise Failure(reason, "a phase of training runs in this session: stop it or wait for its end")
        try:
            yield
        finally:
            self._running.release()


def _named(spec: NodeSpec, name: str) -> NodeSpec:
    """The same type under one of its other names."""
    return dataclasses.replace(spec, class_name=name)
