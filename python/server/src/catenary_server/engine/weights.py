"""Weights and fitted statistics of a pipeline as safetensors bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor

from catenary_server.domain.failure import Failure, Reason, Violation
from catenary_server.domain.runtime import WeightsReport
from catenary_server.nodes.node import StatisticalNode

if TYPE_CHECKING:
    from collections.abc import Mapping

    from catenary_server.engine.pipeline_module import PipelineModule
    from catenary_server.nodes.node import Node

_FORBIDDEN = {b"PK\x03\x04": "a zip archive, as torch.save writes it", b"\x80": "a Python pickle"}
_VIOLATIONS = 20

EXTRA = "."
"""Start of the names of what a checkpoint has beside weights; no node has an empty name, so no weight starts so."""


def dump_weights(module: PipelineModule) -> bytes:
    """All tensors as `<node>.<tensor>`; statistics that were never fitted are left out."""
    return safetensors.torch.save(weights_of(module))


def weights_of(module: PipelineModule) -> dict[str, Tensor]:
    """All tensors, on the CPU, as `<node>.<tensor>`; statistics that were never fitted are left out."""
    return {
        f"{name}.{key}": tensor.detach().cpu().contiguous()
        for name, node in module.nodes()
        for key, tensor in node.state_dict().items()
        if tensor.numel() > 0
    }


def load_weights(module: PipelineModule, weights: memoryview, *, strict: bool) -> WeightsReport:
    """Put tensors in place: all of them, or, on failure, none.

    Without `strict`, tensors that only one side names are left out and reported.

    Raises:
        Failure: WEIGHTS_FORMAT_FORBIDDEN for a pickle, WEIGHTS_CORRUPT, WEIGHTS_MISMATCH with one violation for each
            tensor of another shape or type and, with `strict`, for each that is missing or unknown.
    """
    by_node, unexpected = _assigned(module, parse(bytes(weights)))
    missing: list[Violation] = []
    wrong: list[Violation] = []
    for name, node in module.nodes():
        absent, misfitting = _misfits(name, node, by_node.get(name, {}))
        missing += absent
        wrong += misfitting
    faults = [*wrong, *missing, *unexpected] if strict else wrong
    if faults:
        raise Failure(
            Reason.WEIGHTS_MISMATCH,
            f"the weights do not belong to this pipeline: {faults[0].subject} {faults[0].description}",
            violations=tuple(faults[:_VIOLATIONS]),
        )
    for name, tensors in by_node.items():
        _put(module.node(name), tensors)
    return WeightsReport(missing=_names(missing), unexpected=_names(unexpected))


def _names(faults: list[Violation]) -> tuple[str, ...]:
    return tuple(sorted(fault.subject for fault in faults))


def parse(data: bytes) -> dict[str, Tensor]:
    """The tensors of safetensors bytes.

    Raises:
        Failure: WEIGHTS_FORMAT_FORBIDDEN for a pickle, WEIGHTS_CORRUPT.
    """
    # safetensors begins with the length of its header, which may look like a pickle's first byte; byte 8 is its brace.
    safe = data[8:9] == b"{"
    for magic, what in _FORBIDDEN.items():
        if data.startswith(magic) and not safe:
            raise Failure(
                Reason.WEIGHTS_FORMAT_FORBIDDEN,
                f"the weights are {what}, which may run code when it is read: convert them to safetensors",
            )
    try:
        return safetensors.torch.load(data)
    except (SafetensorError, ValueError, KeyError) as error:
        raise Failure(Reason.WEIGHTS_CORRUPT, "the weights are cut off or damaged: save or send them again") from error


def _assigned(
    module: PipelineModule, tensors: dict[str, Tensor]
) -> tuple[dict[str, dict[str, Tensor]], list[Violation]]:
    by_node: dict[str, dict[str, Tensor]] = {}
    faults = []
    for key, tensor in tensors.items():
        if key.startswith(EXTRA):
            continue
        name, _, rest = key.partition(".")
        if name not in module.graph.types or rest not in module.node(name).state_dict():
            faults.append(Violation(key, "is in the file but not in the pipeline"))
        else:
            by_node.setdefault(name, {})[rest] = tensor
    return by_node, faults


def _misfits(name: str, node: Node[Any], tensors: dict[str, Tensor]) -> tuple[list[Violation], list[Violation]]:
    """What is missing, and what has another shape or type."""
    fitted = node.fitted if isinstance(node, StatisticalNode) else {}
    state = node.state_dict()
    sizes = _kept_sizes(fitted, {key: tensor for key, tensor in state.items() if key not in tensors})
    missing, wrong = [], []
    for key, current in state.items():
        tensor = tensors.get(key)
        if tensor is None:
            missing.append(Violation(f"{name}.{key}", "is not in the file"))
        elif tensor.dtype is not current.dtype:
            wrong.append(Violation(f"{name}.{key}", f"is {tensor.dtype} in the file, {current.dtype} in the pipeline"))
        elif key not in fitted and tensor.shape != current.shape:
            wrong.append(_shape_fault(f"{name}.{key}", tensor, list(current.shape)))
        elif key in fitted and not _agrees(tensor, fitted[key], sizes):
            wrong.append(_shape_fault(f"{name}.{key}", tensor, list(fitted[key])))
    return missing, wrong


def _kept_sizes(fitted: Mapping[str, tuple[str, ...]], kept: Mapping[str, Tensor]) -> dict[str, int]:
    """Sizes of the axes of fitted tensors that stay as they are: the new ones must fit them."""
    return {
        axis: size
        for key, tensor in kept.items()
        if key in fitted and tensor.numel()
        for axis, size in zip(fitted[key], tensor.shape, strict=True)
    }


def _agrees(tensor: Tensor, axes: tuple[str, ...], sizes: dict[str, int]) -> bool:
    """Whether axes of one name have one size in all tensors of a node."""
    if tensor.ndim != len(axes) or tensor.numel() == 0:
        return False
    return all(sizes.setdefault(axis, size) == size for axis, size in zip(axes, tensor.shape, strict=True))


def _shape_fault(subject: str, tensor: Tensor, expected: list[Any]) -> Violation:
    return Violation(subject, f"has shape {list(tensor.shape)} in the file, {expected} in the pipeline")


def _put(node: Node[Any], tensors: dict[str, Tensor]) -> None:
    device = next((tensor.device for tensor in node.state_dict().values()), torch.device("cpu"))
    fitted = node.fitted if isinstance(node, StatisticalNode) else {}
    if isinstance(node, StatisticalNode):
        node.set_fitted(**{key: tensor.to(device) for key, tensor in tensors.items() if key in fitted})
    node.load_state_dict({key: tensor for key, tensor in tensors.items() if key not in fitted}, strict=False)
