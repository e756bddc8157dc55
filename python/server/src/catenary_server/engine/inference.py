"""From the tensors of a request to the outputs that it asks for."""

from __future__ import annotations

import math
import warnings
from typing import TYPE_CHECKING

import torch

from catenary_server.domain.failure import Failure, Reason, Violation
from catenary_server.domain.node import NodeCategory
from catenary_server.domain.runtime import Inference
from catenary_server.domain.tensor import DType, Tensor, check_against, check_tensor

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from catenary_server.engine.pipeline_module import PipelineModule, Values

_TORCH_TYPES = {dtype: getattr(torch, dtype.value) for dtype in DType}


def infer(
    module: PipelineModule, inputs: Mapping[str, Tensor], outputs: Sequence[str], device: torch.device
) -> Inference:
    """Compute outputs.

    Args:
        module: the pipeline, in evaluation mode, on `device`.
        inputs: tensors by entry port.
        outputs: `node.port`, or the name of a port that only one node has; empty = all exit ports, with the metrics
            whose ground truth is given, and the pictures of visualizers.
        device: where to compute.

    Raises:
        Failure: INPUT_NAME_UNKNOWN, INPUT_NAME_MISSING, TENSOR_*, FIELD_INVALID for an unknown output, STATE_INVALID
            before the statistical phase, and what a node raises.
    """
    _check_inputs(module, inputs)
    wanted = [_resolved(module, name) for name in outputs] or _exits(module)
    observers = () if outputs else module.of_category(NodeCategory.METRIC, NodeCategory.VISUALIZER, NodeCategory.SINK)
    nodes = {name for name, _ in wanted}
    _require_inputs(module, nodes, inputs)
    with torch.inference_mode():
        batch = {name: as_torch(tensor).to(device) for name, tensor in inputs.items()}
        values = module.compute(batch, nodes | set(observers))
    found = {f"{name}.{port}": values.get(name, {}).get(port) for name, port in wanted}
    absent = [name for name, value in found.items() if value is None]
    if outputs and absent:
        raise Failure(
            Reason.INPUT_NAME_MISSING,
            f"output {absent[0]!r} needs an optional input that was not given, such as a mask",
        )
    return Inference(
        outputs={name: _as_tensor(value) for name, value in found.items() if value is not None},
        metrics=_metrics(module, values),
    )


def as_torch(tensor: Tensor) -> torch.Tensor:
    """A torch tensor that shares the payload's memory; nodes never write to their inputs."""
    dtype = _TORCH_TYPES[tensor.dtype]
    if tensor.nbytes == 0:
        return torch.empty(tensor.shape, dtype=dtype)
    return torch.frombuffer(tensor.data, dtype=dtype).reshape(tensor.shape)


def _hear_warning() -> None:
    """Payloads are read-only on purpose. Torch has no read-only tensors and says so once in a process: now."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The given buffer is not writable", category=UserWarning)
        torch.frombuffer(b"\0", dtype=torch.uint8)


_hear_warning()


def _as_tensor(value: torch.Tensor) -> Tensor:
    """The wire form; a value that is an input handed through shares the memory of that input."""
    return Tensor.of(value.detach().cpu().contiguous().numpy())


def _metrics(module: PipelineModule, values: Values) -> dict[str, float]:
    found = {name: float(values[name]["value"]) for name in module.of_category(NodeCategory.METRIC) if name in values}
    return {name: value for name, value in found.items() if math.isfinite(value)}


def _check_inputs(module: PipelineModule, inputs: Mapping[str, Tensor]) -> None:
    ports = module.graph.ports().inputs
    for name, tensor in inputs.items():
        if name not in ports:
            raise _violated(
                Reason.INPUT_NAME_UNKNOWN, name, f"the pipeline has no such input; it takes: {', '.join(ports)}"
            )
        check_tensor(name, tensor)
        check_against(name, tensor, ports[name].dtype, ports[name].shape)


def _require_inputs(module: PipelineModule, nodes: set[str], inputs: Mapping[str, Tensor]) -> None:
    fed = {(edge.target_node, edge.target_port) for edge in module.graph.edges}
    for node in module.graph.ancestors(frozenset(nodes)):
        for port in module.graph.types[node].inputs:
            if not port.optional and (node, port.name) not in fed and port.name not in inputs:
                raise _violated(Reason.INPUT_NAME_MISSING, port.name, f"node {node!r} needs it")


def _violated(reason: Reason, name: str, description: str) -> Failure:
    return Failure(reason, f"input {name!r}: {description}", violations=(Violation(f"inputs.{name}", description),))


def _exits(module: PipelineModule) -> list[tuple[str, str]]:
    return [_split(name) for name in module.graph.ports().outputs]


def _split(name: str) -> tuple[str, str]:
    node, _, port = name.rpartition(".")
    return node, port


def _resolved(module: PipelineModule, name: str) -> tuple[str, str]:
    ports = [(node, port.name) for node, spec in module.graph.types.items() for port in spec.outputs]
    if "." in name:
        matches = [place for place in ports if place == _split(name)]
    else:
        matches = [place for place in ports if place[1] == name]
        # Of several ports of one name, the one that leaves the pipeline is meant.
        matches = [place for place in matches if place in _exits(module)] if len(matches) > 1 else matches
    if len(matches) != 1:
        known = ", ".join(f"{node}.{port}" for node, port in ports)
        description = f"output {name!r} is not one port of the pipeline; there are: {known}"
        raise Failure(Reason.FIELD_INVALID, description, violations=(Violation("output_specs", description),))
    return matches[0]
