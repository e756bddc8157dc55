"""Projection to principal components."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn

from catenary_server.domain.failure import Failure, Reason
from catenary_server.domain.node import NodeCategory
from catenary_server.nodes.moments import Moments
from catenary_server.nodes.node import Declaration, Outputs, StatisticalNode, empty, require_channels
from catenary_server.nodes.params import NodeParams, param
from catenary_server.nodes.ports import cube_port

if TYPE_CHECKING:
    from torch import Tensor

_RANK_TOLERANCE = 1e-12
"""Components whose variance is below this share of the largest are rounding noise, and whitening would blow it up."""


class TrainablePCAParams(NodeParams):
    """Parameters of `TrainablePCA`."""

    n_components: int = param(10, ge=1, le=4096, description="components to keep; fewer if the data has fewer")
    whiten: bool = param(default=False, description="whether each component is scaled to variance 1")


class TrainablePCA(StatisticalNode[TrainablePCAParams]):
    """Projects spectra to the directions in which the training data varies most; gradients may refine them.

    Pearson, "On lines and planes of closest fit" (Philosophical Magazine 2, 1901). Fitted by singular value
    decomposition of the float64 covariance. The components learn in the gradient phase only if the trainrun lists the
    node in `unfreeze_nodes`.
    """

    declaration = Declaration(
        params=TrainablePCAParams,
        category=NodeCategory.TRANSFORM,
        tags=("HYPERSPECTRAL", "DIM_REDUCTION"),
        inputs=(cube_port("data", "spectra"),),
        outputs=(cube_port("projected", "components, [B, H, W, n_components]"),),
        fitted={"mean": ("bands",), "components": ("components", "bands"), "scale": ("components",)},
        citation="Pearson, On lines and planes of closest fit to systems of points in space, Philosophical "
        "Magazine 2, 1901",
    )

    def __init__(self, params: TrainablePCAParams) -> None:
        super().__init__(params)
        self.mean: Tensor
        self.scale: Tensor
        self.register_buffer("mean", empty())
        self.register_buffer("scale", empty())
        self.components = nn.Parameter(empty())
        self._moments = Moments(covariance=True)

    def begin_fit(self) -> None:
        """Forget the statistics."""
        self._moments = Moments(covariance=True)

    def fit_batch(self, data: Tensor) -> None:  # type: ignore[override]  # its ports by name
        """Take the spectra of a batch into account."""
        self._moments.update(data)

    def end_fit(self) -> None:
        """Decompose the covariance and keep mean, components (largest weight positive) and scale, float32."""
        directions, variances, _ = torch.linalg.svd(self._moments.spread())
        rank = int((variances > _RANK_TOLERANCE * variances[0]).sum())
        if rank == 0:
            raise Failure(Reason.DATASET_INVALID, "all pixels of the training data are equal: there are no components")
        kept = min(self.params.n_components, rank)
        components = directions[:, :kept].T
        strongest = components.abs().argmax(dim=1, keepdim=True)
        components = components * components.gather(1, strongest).sign()
        scale = variances[:kept].sqrt() if self.params.whiten else torch.ones_like(variances[:kept])
        self.set_fitted(mean=self._moments.mean().float(), components=components.float(), scale=scale.float())
        self.begin_fit()

    def forward(self, data: Tensor) -> Outputs:
        """Project `data`."""
        require_channels(data, self.mean.numel(), type(self).__name__)
        return {"projected": (data - self.mean) @ self.components.T / self.scale}
