"""Distance from the centre as anomaly score."""

from __future__ import annotations

from typing import TYPE_CHECKING

from catenary_server.domain.node import NodeCategory
from catenary_server.nodes.node import Declaration, Node, Outputs
from catenary_server.nodes.params import NodeParams
from catenary_server.nodes.ports import cube_port, score_port, vector_port

if TYPE_CHECKING:
    from torch import Tensor


class DeepSVDDScores(Node[NodeParams]):
    """Scores each pixel by the squared distance of its embedding from the centre.

    Ruff et al., "Deep one-class classification" (ICML 2018), eq. 5.
    """

    declaration = Declaration(
        category=NodeCategory.MODEL,
        tags=("ANOMALY",),
        inputs=(cube_port("embeddings", "embeddings of pixels"), vector_port("center", "the centre, [D]")),
        outputs=(score_port("scores", "squared distances"),),
        citation="Ruff et al., Deep one-class classification, ICML 2018",
    )

    def forward(self, embeddings: Tensor, center: Tensor) -> Outputs:
        """Score the embeddings."""
        return {"scores": (embeddings - center).square().sum(dim=-1, keepdim=True)}
