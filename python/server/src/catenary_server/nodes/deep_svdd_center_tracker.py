"""The centre that Deep SVDD draws embeddings to."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from catenary_server.domain.node import NodeCategory
from catenary_server.nodes.moments import Moments
from catenary_server.nodes.node import Declaration, Outputs, StatisticalNode, empty, require_channels
from catenary_server.nodes.params import NodeParams, param
from catenary_server.nodes.ports import cube_port, vector_port

if TYPE_CHECKING:
    from torch import Tensor


class DeepSVDDCenterTrackerParams(NodeParams):
    """Parameters of `DeepSVDDCenterTracker`."""

    rate: float = param(
        0.0, ge=0, le=1, description="share of a batch's mean that the centre takes over at each step; 0 = fixed centre"
    )


class DeepSVDDCenterTracker(StatisticalNode[DeepSVDDCenterTrackerParams]):
    """Keeps the mean embedding of the training data as the centre of the sphere.

    Ruff et al., "Deep one-class classification" (ICML 2018), section 3.3: the mean of an initial forward pass, fixed
    from then on, so that it cannot run away with the weights. A `rate` above 0 lets it follow the batches instead.
    """

    declaration = Declaration(
        params=DeepSVDDCenterTrackerParams,
        category=NodeCategory.MODEL,
        tags=("ANOMALY",),
        inputs=(cube_port("embeddings", "embeddings of pixels"),),
        outputs=(vector_port("center", "the centre, [D]"),),
        fitted={"center": ("embedding",)},
        citation="Ruff et al., Deep one-class classification, ICML 2018",
    )

    def __init__(self, params: DeepSVDDCenterTrackerParams) -> None:
        super().__init__(params)
        self.center: Tensor
        self.register_buffer("center", empty())
        self._moments = Moments(covariance=False)

    def begin_fit(self) -> None:
        """Forget the centre."""
        self._moments = Moments(covariance=False)

    def fit_batch(self, embeddings: Tensor) -> None:  # type: ignore[override]  # its ports by name
        """Take a batch into the mean."""
        self._moments.update(embeddings)

    def end_fit(self) -> None:
        """Keep the mean, float32 [D]."""
        self.set_fitted(center=self._moments.mean().float())
        self.begin_fit()

    def forward(self, embeddings: Tensor) -> Outputs:
        """The centre; while training it moves first, if it has a rate."""
        require_channels(embeddings, self.center.numel(), type(self).__name__)
        if self.training and torch.is_grad_enabled() and self.params.rate > 0:
            mean = embeddings.detach().reshape(-1, self.center.numel()).mean(dim=0)
            self.center = torch.lerp(self.center, mean, self.params.rate)
        return {"center": self.center}
