"""A regularizer for definite choices."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch

from catenary_server.domain.node import NodeCategory
from catenary_server.nodes.node import Declaration, Node, Outputs
from catenary_server.nodes.params import NodeParams, param
from catenary_server.nodes.ports import matrix_port, scalar_port

if TYPE_CHECKING:
    from torch import Tensor


class SelectorEntropyRegularizerParams(NodeParams):
    """Parameters of `SelectorEntropyRegularizer`."""

    weight: float = param(0.01, ge=0, description="factor of the loss")


class SelectorEntropyRegularizer(Node[SelectorEntropyRegularizerParams]):
    """Penalises undecided selections: mean Shannon entropy of the rows, relative to that of a uniform choice.

    0 = each row is sure of one channel, 1 = each row spreads evenly over all (Shannon 1948, normalised).
    """

    declaration = Declaration(
        params=SelectorEntropyRegularizerParams,
        category=NodeCategory.REGULARIZER,
        tags=("DIM_REDUCTION",),
        inputs=(matrix_port("weights", "rows that sum to 1, [n_select, bands]"),),
        outputs=(scalar_port("loss", "weighted entropy"),),
        citation="Shannon, A mathematical theory of communication, Bell System Technical Journal 27, 1948",
    )

    def forward(self, weights: Tensor) -> Outputs:
        """The loss."""
        # Cold choices underflow to exactly 0, where the gradient of x log x is infinite.
        logarithms = weights.clamp_min(torch.finfo(weights.dtype).tiny).log()
        entropy = -(weights * logarithms).sum(dim=1).mean() / math.log(max(weights.shape[1], 2))
        return {"loss": self.params.weight * entropy}
