"""Decisions by rank."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from catenary_server.domain.node import NodeCategory
from catenary_server.nodes.node import Declaration, Node, Outputs
from catenary_server.nodes.params import NodeParams, param
from catenary_server.nodes.ports import decision_port, score_port

if TYPE_CHECKING:
    from torch import Tensor


class QuantileBinaryDeciderParams(NodeParams):
    """Parameters of `QuantileBinaryDecider`."""

    quantile: float = param(0.99, ge=0, le=1, description="share of each image's pixels that stay below the threshold")


class QuantileBinaryDecider(Node[QuantileBinaryDeciderParams]):
    """Decides that a pixel is an anomaly if its score lies above a quantile of the scores of its own image."""

    declaration = Declaration(
        params=QuantileBinaryDeciderParams,
        category=NodeCategory.CONTROL,
        tags=("ANOMALY", "POSTPROCESSING"),
        inputs=(score_port("scores", "scores, larger = more anomalous"),),
        outputs=(decision_port("decisions", "true = anomaly"),),
    )

    def forward(self, scores: Tensor) -> Outputs:
        """Decide; each image of the batch has its own threshold."""
        images = scores.flatten(start_dim=1)
        pixels = images.shape[1]
        rank = min(max(math.ceil(self.params.quantile * pixels), 1), pixels)
        # kthvalue, because torch.quantile takes at most 16 million elements.
        thresholds = images.kthvalue(rank, dim=1).values
        return {"decisions": scores > thresholds.reshape(-1, 1, 1, 1)}
