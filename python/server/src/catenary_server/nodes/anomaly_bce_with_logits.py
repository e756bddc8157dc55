"""Cross entropy of anomalies."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch.nn import functional

from catenary_server.domain.node import NodeCategory
from catenary_server.nodes.node import Declaration, Node, Outputs
from catenary_server.nodes.params import NodeParams, param
from catenary_server.nodes.ports import mask_port, scalar_port, score_port

if TYPE_CHECKING:
    from torch import Tensor

_LARGEST_BALANCE = 1_000.0


class AnomalyBCEWithLogitsParams(NodeParams):
    """Parameters of `AnomalyBCEWithLogits`."""

    pos_weight: float | None = param(
        None, gt=0, description="factor on anomalous pixels; null = as many times as background pixels outnumber them"
    )
    weight: float = param(1.0, ge=0, description="factor of the loss")


class AnomalyBCEWithLogits(Node[AnomalyBCEWithLogitsParams]):
    """Binary cross entropy between logits and ground truth, anomalies weighed up because they are rare."""

    declaration = Declaration(
        params=AnomalyBCEWithLogitsParams,
        category=NodeCategory.LOSS,
        tags=("ANOMALY", "SEGMENTATION"),
        inputs=(
            score_port("logits", "logits of being an anomaly"),
            mask_port("targets", "ground truth, 0 = background"),
        ),
        outputs=(scalar_port("loss", "mean cross entropy"),),
    )

    def forward(self, logits: Tensor, targets: Tensor) -> Outputs:
        """The loss of a batch."""
        truth = (targets > 0).unsqueeze(-1).to(logits.dtype)
        positives = truth.sum()
        balance = ((truth.numel() - positives) / positives.clamp_min(1)).clamp(1, _LARGEST_BALANCE)
        factor = balance if self.params.pos_weight is None else logits.new_tensor(self.params.pos_weight)
        loss = functional.binary_cross_entropy_with_logits(logits, truth, pos_weight=factor)
        return {"loss": self.params.weight * loss}
