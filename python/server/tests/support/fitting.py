"""Nodes on their own, without a pipeline around them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import torch

if TYPE_CHECKING:
    from catenary_server.nodes.node import Node, StatisticalNode

N = TypeVar("N", bound="Node[Any]")
S = TypeVar("S", bound="StatisticalNode[Any]")


def make(node_type: type[N], **params: object) -> N:
    """A node with these parameters, in evaluation mode."""
    return node_type(node_type.declaration.params.read(params, "params")).eval()


def fit(node: S, *batches: torch.Tensor) -> S:
    """Fit a node of one input."""
    (name, *_) = [port.name for port in node.declaration.inputs]
    node.begin_fit()
    for batch in batches:
        node.fit_batch(**{name: batch})
    node.end_fit()
    return node


def cube(seed: int = 0, *, batch: int = 2, rows: int = 6, cols: int = 5, channels: int = 4) -> torch.Tensor:
    """Random spectra, correlated, [B, H, W, C]."""
    generator = torch.Generator().manual_seed(seed)
    mixing = torch.randn(channels, channels, generator=generator)
    return torch.randn(batch, rows, cols, channels, generator=generator) @ mixing + 3
