"""What every node is: a torch module that declares its ports, its parameters and its role."""

from __future__ import annotations

import dataclasses
import inspect
from abc import ABC, abstractmethod
from collections.abc import Mapping  # noqa: TC003 - a dataclass field
from typing import TYPE_CHECKING, ClassVar, Generic, TypeVar

import torch
from torch import Tensor, nn

from catenary_server.domain.failure import Failure, Reason
from catenary_server.domain.node import NodeCategory, NodeSpec, PortSpec
from catenary_server.nodes.params import NodeParams

if TYPE_CHECKING:
    import torchmetrics

P = TypeVar("P", bound=NodeParams)

Outputs = dict[str, Tensor]
"""What a node computes: tensors by output port."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Declaration:
    """What a node type promises, whatever its parameters."""

    category: NodeCategory
    """The role it plays."""
    params: type[NodeParams] = NodeParams
    """The parameters it takes."""
    inputs: tuple[PortSpec, ...] = ()
    """What it takes."""
    outputs: tuple[PortSpec, ...] = ()
    """What it gives."""
    tags: tuple[str, ...] = ("HYPERSPECTRAL",)
    """Words of the contract's `NodeTag`, without their prefix."""
    learns: bool = False
    """Whether its weights follow gradients unless a trainrun freezes it."""
    fitted: Mapping[str, tuple[str, ...]] = dataclasses.field(default_factory=dict)
    """Tensors that the statistical phase makes, each with its axes by name; axes of one name have one size."""
    fit_batches: int | None = None
    """How many batches the statistical phase needs; None = all."""
    citation: str = ""
    """The paper it follows, when there is one."""


class Node(nn.Module, Generic[P]):
    """A step of a pipeline.

    `forward` takes the tensors of the connected input ports by name and returns the outputs by port; an output that
    depends on an absent optional input may be left out.

    Args:
        params: checked parameters of the node type.
    """

    declaration: ClassVar[Declaration]
    """Ports, parameters and role of the type."""

    def __init__(self, params: P) -> None:
        super().__init__()
        self.params = params

    @classmethod
    def spec(cls) -> NodeSpec:
        """What the front end needs to know about the type."""
        declared = cls.declaration
        return NodeSpec(
            class_name=cls.__name__,
            full_path=f"{cls.__module__}.{cls.__qualname__}",
            category=declared.category,
            description=_first_paragraph(cls.__doc__ or ""),
            inputs=declared.inputs,
            outputs=declared.outputs,
            params=declared.params.specs(),
            tags=declared.tags,
            statistical=issubclass(cls, StatisticalNode),
            citation=declared.citation,
        )

    def begin_epoch(self, epoch: int, epochs: int) -> None:
        """Called before each epoch of the gradient phase, counted from 0; for schedules. Does nothing by default."""


class StatisticalNode(Node[P], ABC):
    """A node that the statistical phase fits: begin_fit, then fit_batch for each batch, then end_fit.

    Until then the tensors that its declaration calls fitted are empty; their sizes come from the data or from a file
    of weights.
    """

    @property
    def fitted(self) -> Mapping[str, tuple[str, ...]]:
        """Tensors that fitting makes, with the names of their axes."""
        return self.declaration.fitted

    @property
    def is_fitted(self) -> bool:
        """True once it can compute."""
        return all(self.get_tensor(name).numel() > 0 for name in self.fitted)

    def get_tensor(self, name: str) -> Tensor:
        """One of the tensors of `fitted`."""
        value = getattr(self, name)
        assert isinstance(value, Tensor)  # noqa: S101 - a subclass that declares what it does not have is a bug
        return value

    def set_fitted(self, **tensors: Tensor) -> None:
        """Put fitted tensors in place; a parameter stays a parameter, and as trainable as it was."""
        for name, tensor in tensors.items():
            current = self.get_tensor(name)
            if isinstance(current, nn.Parameter):
                setattr(self, name, nn.Parameter(tensor.detach().clone(), requires_grad=current.requires_grad))
            else:
                setattr(self, name, tensor.detach().clone())

    @abstractmethod
    def begin_fit(self) -> None:
        """Forget what was fitted before."""

    @abstractmethod
    def fit_batch(self, **inputs: Tensor) -> None:
        """Take one batch of its inputs into account."""

    @abstractmethod
    def end_fit(self) -> None:
        """Compute the fitted tensors.

        Raises:
            Failure: DATASET_INVALID if the data cannot be fitted.
        """


class MetricNode(Node[P], ABC):
    """A node that measures. `forward` gives the value of one batch as `value`; it keeps no state of its own."""

    @abstractmethod
    def metric(self) -> torchmetrics.Metric:
        """A fresh accumulator, for a value over several batches."""

    def accumulator(self) -> torchmetrics.Metric:
        """A fresh accumulator of this process alone: of several that train together, each measures what it sees."""
        metric = self.metric()
        metric.distributed_available_fn = _alone
        return metric

    @abstractmethod
    def pair(self, **inputs: Tensor) -> tuple[Tensor, Tensor]:
        """Predictions and targets, flat, as the accumulator's update takes them."""

    def forward(self, **inputs: Tensor) -> Outputs:
        """The metric of this batch alone."""
        predictions, targets = self.pair(**inputs)
        metric = self.accumulator().to(predictions.device)
        metric.update(predictions, targets)
        return {"value": metric.compute().float()}


def _alone() -> bool:
    """Whether an accumulator is to exchange its state with other processes."""
    return False


def _first_paragraph(docstring: str) -> str:
    return inspect.cleandoc(docstring).partition("\n\n")[0].replace("\n", " ")


def require_channels(data: Tensor, expected: int, fitted_by: str) -> None:
    """Check the last axis of `data` against what a node was fitted on.

    Raises:
        Failure: TENSOR_SHAPE.
    """
    if data.shape[-1] != expected:
        raise Failure(
            Reason.TENSOR_SHAPE,
            f"{fitted_by} was fitted on {expected} channels, the data has {data.shape[-1]}: "
            "give data of the same bands, or run the statistical phase on this data",
        )


def empty(dtype: torch.dtype = torch.float32) -> Tensor:
    """A tensor that fitting will replace."""
    return torch.empty(0, dtype=dtype)
