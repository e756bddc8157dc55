"""Area under the receiver operating characteristic."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
import torchmetrics

from catenary_server.domain.node import NodeCategory
from catenary_server.nodes.node import Declaration, MetricNode
from catenary_server.nodes.params import NodeParams
from catenary_server.nodes.ports import mask_port, scalar_port, score_port

if TYPE_CHECKING:
    from torch import Tensor


class RankAUROC(torchmetrics.Metric):
    """Exact area under the ROC curve from mid-ranks, for scores of any scale.

    Mann & Whitney 1947; Hanley & McNeil 1982. torchmetrics' own BinaryAUROC squashes scores outside [0, 1] by a
    float32 sigmoid, which saturates and ties the very pixels that matter.
    """

    full_state_update: bool | None = False

    def __init__(self) -> None:
        super().__init__()
        self.scores: list[Tensor]
        self.targets: list[Tensor]
        self.add_state("scores", [], dist_reduce_fx="cat")
        self.add_state("targets", [], dist_reduce_fx="cat")

    def update(self, scores: Tensor, targets: Tensor) -> None:
        """Take scores [N] and bool classes [N] into account."""
        self.scores.append(scores.detach())
        self.targets.append(targets)

    def compute(self) -> Tensor:
        """The area, float64; NaN if only one class was seen or a score is NaN."""
        scores, positive = torch.cat(list(self.scores)), torch.cat(list(self.targets))
        positives = positive.sum().double()
        negatives = positive.numel() - positives
        if positives == 0 or negatives == 0 or bool(scores.isnan().any()):
            return torch.tensor(torch.nan, dtype=torch.float64)
        _, places, counts = torch.unique(scores, return_inverse=True, return_counts=True)
        midranks = counts.cumsum(0).double() - (counts - 1).double() / 2
        above: Tensor = midranks[places][positive].sum() - positives * (positives + 1) / 2
        return above / (positives * negatives)


class AUROC(MetricNode[NodeParams]):
    """Area under the ROC curve: the chance that an anomaly scores above a background pixel (Hanley & McNeil 1982).

    Exact, not binned. NaN, and therefore not reported, where only one class is present.
    """

    declaration = Declaration(
        category=NodeCategory.METRIC,
        tags=("ANOMALY",),
        inputs=(score_port("scores", "scores, larger = more anomalous"), mask_port("targets", "ground truth")),
        outputs=(scalar_port("value", "area under the curve, 0 to 1"),),
        citation="Hanley & McNeil, The meaning and use of the area under a receiver operating characteristic "
        "(ROC) curve, Radiology 143, 1982",
    )

    def metric(self) -> RankAUROC:
        """A fresh accumulator."""
        return RankAUROC()

    def pair(self, scores: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:  # type: ignore[override]  # its ports
        """Scores and classes, flat."""
        return scores.flatten(), (targets > 0).flatten()
