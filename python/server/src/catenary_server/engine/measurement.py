"""Losses and metrics over several batches."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from catenary_server.domain.failure import Failure, Reason, Violation
from catenary_server.nodes.node import MetricNode

if TYPE_CHECKING:
    import torchmetrics

    from catenary_server.domain.training import TrainRunConfig
    from catenary_server.engine.pipeline_module import Batch, PipelineModule


class Measurement:
    """Accumulates the losses and metrics of one pass over a split.

    Args:
        module: the pipeline; switched to evaluation by the caller.
        loss_nodes: nodes with a `loss` output; reported as the mean over batches, keyed `<node>_loss`.
        metric_nodes: reported over all batches together, keyed by node.
        prefix: in front of every key.
    """

    def __init__(
        self, module: PipelineModule, loss_nodes: tuple[str, ...], metric_nodes: tuple[str, ...], prefix: str
    ) -> None:
        self._module = module
        self._prefix = prefix
        self._losses: dict[str, list[float]] = {name: [] for name in loss_nodes}
        self._metrics: dict[str, torchmetrics.Metric | None] = dict.fromkeys(metric_nodes)

    @torch.no_grad()
    def update(self, batch: Batch) -> None:
        """Take a batch into account."""
        sources = {source for name in self._metrics for source in self._module.sources_of(name)}
        values = self._module.compute(batch, {*self._losses, *sources})
        for name, seen in self._losses.items():
            if name in values:
                seen.append(float(values[name]["loss"]))
        for name in self._metrics:
            inputs = self._module.inputs_of(name, values, batch)
            if inputs is not None:
                self._update_metric(name, inputs)

    def _update_metric(self, name: str, inputs: Batch) -> None:
        node = self._module.node(name)
        assert isinstance(node, MetricNode)  # noqa: S101 - `require_nodes` checked the trainrun
        predictions, targets = node.pair(**inputs)
        metric = self._metrics[name] or node.accumulator().to(predictions.device)
        metric.update(predictions, targets)
        self._metrics[name] = metric

    def losses(self) -> dict[str, float]:
        """Mean losses; without those that could not be computed."""
        return {f"{self._prefix}{name}_loss": sum(seen) / len(seen) for name, seen in self._losses.items() if seen}

    def metrics(self) -> dict[str, float]:
        """Metrics over all batches; without those whose ground truth is missing."""
        return {
            f"{self._prefix}{name}": float(metric.compute())
            for name, metric in self._metrics.items()
            if metric is not None
        }


def require_nodes(module: PipelineModule, config: TrainRunConfig) -> None:
    """Check that the trainrun names nodes that exist and can do what they are named for.

    Raises:
        Failure: CONFIG_INVALID with one violation for each key.
    """
    faults = []
    types = module.graph.types
    for index, name in enumerate(config.loss_nodes):
        if name not in types or types[name].output("loss") is None:
            faults.append(Violation(f"loss_nodes.{index}", f"{name!r} is not a node with a loss"))
    for index, name in enumerate(config.metric_nodes):
        if name not in types or not isinstance(module.node(name), MetricNode):
            faults.append(Violation(f"metric_nodes.{index}", f"{name!r} is not a metric node"))
    for key, names in (("freeze_nodes", config.freeze_nodes), ("unfreeze_nodes", config.unfreeze_nodes)):
        faults += [
            Violation(f"{key}.{index}", f"there is no node {name!r}")
            for index, name in enumerate(names)
            if name not in types
        ]
    if faults:
        raise Failure(Reason.CONFIG_INVALID, f"{faults[0].subject}: {faults[0].description}", violations=tuple(faults))
