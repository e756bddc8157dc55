"""A regularizer for different choices."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch.nn import functional

from catenary_server.domain.node import NodeCategory
from catenary_server.nodes.node import Declaration, Node, Outputs
from catenary_server.nodes.params import NodeParams, param
from catenary_server.nodes.ports import matrix_port, scalar_port

if TYPE_CHECKING:
    from torch import Tensor


class SelectorDiversityRegularizerParams(NodeParams):
    """Parameters of `SelectorDiversityRegularizer`."""

    weight: float = param(0.01, ge=0, description="factor of the loss")


class SelectorDiversityRegularizer(Node[SelectorDiversityRegularizerParams]):
    """Penalises rows that choose the same channel: mean cosine similarity of all pairs of rows.

    0 = no two rows share a channel, 1 = all rows are the same.
    """

    declaration = Declaration(
        params=SelectorDiversityRegularizerParams,
        category=NodeCategory.REGULARIZER,
        tags=("DIM_REDUCTION",),
        inputs=(matrix_port("weights", "rows that sum to 1, [n_select, bands]"),),
        outputs=(scalar_port("loss", "weighted similarity"),),
    )

    def forward(self, weights: Tensor) -> Outputs:
        """The loss."""
        rows = functional.normalize(weights, dim=1)
        similarity = rows @ rows.T
        pairs = max(len(rows) * (len(rows) - 1), 1)
        return {"loss": self.params.weight * (similarity.sum() - similarity.diagonal().sum()) / pairs}
