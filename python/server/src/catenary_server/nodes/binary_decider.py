"""Decisions by a fixed probability."""

from __future__ import annotations

from typing import TYPE_CHECKING

from catenary_server.domain.node import NodeCategory
from catenary_server.nodes.node import Declaration, Node, Outputs
from catenary_server.nodes.params import NodeParams, param
from catenary_server.nodes.ports import decision_port, score_port

if TYPE_CHECKING:
    from torch import Tensor


class BinaryDeciderParams(NodeParams):
    """Parameters of `BinaryDecider`."""

    threshold: float = param(0.5, ge=0, le=1, description="least probability of a positive decision")


class BinaryDecider(Node[BinaryDeciderParams]):
    """Decides that a pixel is an anomaly if the probability of its logit reaches a threshold."""

    declaration = Declaration(
        params=BinaryDeciderParams,
        category=NodeCategory.CONTROL,
        tags=("ANOMALY", "POSTPROCESSING"),
        inputs=(score_port("logits", "logits"),),
        outputs=(decision_port("decisions", "true = anomaly"),),
    )

    def forward(self, logits: Tensor) -> Outputs:
        """Decide."""
        return {"decisions": logits.sigmoid() >= self.params.threshold}
