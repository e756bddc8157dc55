"""The soft-boundary objective of Deep SVDD."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch

from catenary_server.domain.node import NodeCategory
from catenary_server.nodes.node import Declaration, Node, Outputs
from catenary_server.nodes.params import NodeParams, param
from catenary_server.nodes.ports import cube_port, scalar_port, vector_port

if TYPE_CHECKING:
    from torch import Tensor

_UNSET = -1.0


class DeepSVDDSoftBoundaryLossParams(NodeParams):
    """Parameters of `DeepSVDDSoftBoundaryLoss`."""

    nu: float = param(
        0.1,
        gt=0,
        le=1,
        description="share of pixels that may lie outside the sphere; near 1 every pixel counts alike",
    )
    radius_momentum: float = param(0.9, ge=0, le=1, description="share of the old radius that a step keeps")
    weight: float = param(1.0, ge=0, description="factor of the loss")


class DeepSVDDSoftBoundaryLoss(Node[DeepSVDDSoftBoundaryLossParams]):
    """Penalises the radius of the sphere and the pixels outside: R^2 + mean(max(0, |z - c|^2 - R^2)) / nu.

    Ruff et al., "Deep one-class classification" (ICML 2018), eq. 3 (weight decay belongs to the optimizer). R^2 is not
    learnt by gradients but follows the (1 - nu) quantile of the squared distances, as section 3.2 proposes.
    """

    declaration = Declaration(
        params=DeepSVDDSoftBoundaryLossParams,
        category=NodeCategory.LOSS,
        tags=("ANOMALY",),
        inputs=(cube_port("embeddings", "embeddings of pixels"), vector_port("center", "the centre, [D]")),
        outputs=(scalar_port("loss", "the objective"),),
        citation="Ruff et al., Deep one-class classification, ICML 2018",
    )

    def __init__(self, params: DeepSVDDSoftBoundaryLossParams) -> None:
        super().__init__(params)
        self.radius_squared: Tensor
        self.register_buffer("radius_squared", torch.tensor(_UNSET))

    def begin_epoch(self, epoch: int, epochs: int) -> None:
        """Forget the radius of an earlier run."""
        del epochs
        if epoch == 0:
            self.radius_squared = torch.full_like(self.radius_squared, _UNSET)

    def forward(self, embeddings: Tensor, center: Tensor) -> Outputs:
        """The loss of a batch; in training the radius follows it."""
        distances = (embeddings - center).square().sum(dim=-1).flatten()
        radius = self._radius_squared(distances.detach())
        excess = torch.relu(distances - radius).mean() / self.params.nu
        return {"loss": self.params.weight * (radius + excess)}

    def _radius_squared(self, distances: Tensor) -> Tensor:
        radius = self.radius_squared
        if self.training or float(radius) < 0:
            # kthvalue, because torch.quantile takes at most 16 million elements.
            rank = min(max(math.ceil((1 - self.params.nu) * distances.numel()), 1), distances.numel())
            quantile = distances.kthvalue(rank).values
            radius = quantile if float(radius) < 0 else torch.lerp(quantile, radius, self.params.radius_momentum)
        if self.training:
            self.radius_squared = radius
        return radius
