"""The phase that fits nodes with statistics: one pass over the data for each, in graph order."""

from __future__ import annotations

import contextlib
import itertools
from typing import TYPE_CHECKING, Any

import torch

from catenary_server.domain.failure import Failure, Reason
from catenary_server.engine.faults import node_faults
from catenary_server.nodes.node import StatisticalNode

if TYPE_CHECKING:
    from catenary_server.engine.pipeline_module import PipelineModule
    from catenary_server.engine.reporting import Reporter
    from catenary_server.engine.scene_batches import SceneBatches


@torch.no_grad()
def fit_statistics(module: PipelineModule, batches: SceneBatches, reporter: Reporter, device: torch.device) -> None:
    """Fit each statistical node on what the nodes before it make of the data.

    Raises:
        Failure: TRAIN_CANCELLED, DATASET_INVALID, or what a node raises.
    """
    fitting = [(name, node) for name, node in module.nodes() if isinstance(node, StatisticalNode)]
    steps = 0
    for place, (name, node) in enumerate(fitting):
        context: dict[str, Any] = {"epoch": place}  # places count passes; the phase has no epochs
        total = min(len(batches), node.declaration.fit_batches or len(batches))
        reporter.at_boundary()
        reporter.send(message=f"Initializing {name} ...", batches_total=total, global_step=steps, **context)
        with node_faults(name, type(node).__name__):
            node.begin_fit()
        for index, batch in enumerate(itertools.islice(batches, total)):
            _fit_batch(module, name, node, {key: tensor.to(device) for key, tensor in batch.items()})
            steps += 1
            reporter.send(
                message=f"Processing batch {index + 1}/{total}",
                batch_index=index,
                batches_done=index + 1,
                batches_total=total,
                global_step=steps,
                done_share=(place + (index + 1) / total) / len(fitting),
                **context,
            )
            reporter.at_boundary()
        with node_faults(name, type(node).__name__):
            node.end_fit()


def _fit_batch(module: PipelineModule, name: str, node: StatisticalNode[Any], batch: dict[str, torch.Tensor]) -> None:
    values = module.compute(batch, module.sources_of(name))
    inputs = module.inputs_of(name, values, batch)
    if inputs is None:
        raise Failure(Reason.DATASET_INVALID, f"node {name!r} cannot be fitted: the data lacks an input that it needs")
    measuring = module.profiler.measured(name) if module.profiler.enabled else contextlib.nullcontext()
    with node_faults(name, type(node).__name__), measuring:
        node.fit_batch(**inputs)
