"""Scaling by the moments of the training data."""

from __future__ import annotations

from typing import TYPE_CHECKING

from catenary_server.domain.node import NodeCategory
from catenary_server.nodes.moments import Moments
from catenary_server.nodes.node import Declaration, Outputs, StatisticalNode, empty, require_channels
from catenary_server.nodes.params import NodeParams, param
from catenary_server.nodes.ports import cube_port

if TYPE_CHECKING:
    from torch import Tensor


class ZScoreNormalizerParams(NodeParams):
    """Parameters of `ZScoreNormalizer`."""

    eps: float = param(1e-8, gt=0, description="least standard deviation of a band; keeps constant bands finite")


class ZScoreNormalizer(StatisticalNode[ZScoreNormalizerParams]):
    """Gives each band mean 0 and standard deviation 1 over the training data: (x - mean) / std."""

    declaration = Declaration(
        params=ZScoreNormalizerParams,
        category=NodeCategory.TRANSFORM,
        tags=("HYPERSPECTRAL", "PREPROCESSING"),
        inputs=(cube_port("data", "spectra"),),
        outputs=(cube_port("normalized", "standardised spectra"),),
        fitted={"mean": ("bands",), "std": ("bands",)},
    )

    def __init__(self, params: ZScoreNormalizerParams) -> None:
        super().__init__(params)
        self.mean: Tensor
        self.std: Tensor
        self.register_buffer("mean", empty())
        self.register_buffer("std", empty())
        self._moments = Moments(covariance=False)

    def begin_fit(self) -> None:
        """Forget the moments."""
        self._moments = Moments(covariance=False)

    def fit_batch(self, data: Tensor) -> None:  # type: ignore[override]  # its ports by name
        """Take a batch into the moments."""
        self._moments.update(data)

    def end_fit(self) -> None:
        """Keep mean and standard deviation as float32 [bands]."""
        self.set_fitted(mean=self._moments.mean().float(), std=self._moments.spread().sqrt().float())
        self.begin_fit()

    def forward(self, data: Tensor) -> Outputs:
        """Standardise `data`."""
        require_channels(data, self.mean.numel(), type(self).__name__)
        return {"normalized": (data - self.mean) / self.std.clamp_min(self.params.eps)}
