"""The RX anomaly detector with global statistics."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from catenary_server.domain.node import NodeCategory
from catenary_server.nodes.moments import Moments
from catenary_server.nodes.node import Declaration, Outputs, StatisticalNode, empty, require_channels
from catenary_server.nodes.params import NodeParams, param
from catenary_server.nodes.ports import cube_port, matrix_port, score_port

if TYPE_CHECKING:
    from torch import Tensor

_CHUNK_PIXELS = 65_536
"""Pixels scored at once: bounds the float64 copy of a large scene."""


class RXGlobalParams(NodeParams):
    """Parameters of `RXGlobal`."""

    rcond: float = param(
        1e-15, ge=0, le=1, description="singular values of the covariance below rcond times the largest count as zero"
    )
    eps: float = param(
        1e-6, ge=0, description="ridge of the covariance of selected channels, relative to its mean variance"
    )


class RXGlobal(StatisticalNode[RXGlobalParams]):
    """Scores each pixel by its squared Mahalanobis distance from the scene: (x - mean)^T pinv(covariance) (x - mean).

    Reed & Yu, "Adaptive multiple-band CFAR detection of an optical pattern with unknown spectral distribution"
    (IEEE Trans. ASSP 38, 1990). Statistics are accumulated and scores computed in float64, scores given as float32.
    With `weights` W [n, bands] it scores the selected channels W x by their own statistics, W mean and
    W covariance W^T, so that a gradient through the score reaches the selection; fitting always sees all bands.
    """

    declaration = Declaration(
        params=RXGlobalParams,
        category=NodeCategory.MODEL,
        tags=("HYPERSPECTRAL", "ANOMALY"),
        inputs=(
            cube_port("data", "spectra"),
            matrix_port("weights", "rows that select channels, [n, bands]", optional=True),
        ),
        outputs=(score_port("scores", "squared Mahalanobis distances"),),
        fitted={"mean": ("bands",), "covariance": ("bands", "bands"), "precision": ("bands", "bands")},
        citation="Reed & Yu, Adaptive multiple-band CFAR detection of an optical pattern with unknown spectral "
        "distribution, IEEE Trans. ASSP 38, 1990",
    )

    def __init__(self, params: RXGlobalParams) -> None:
        super().__init__(params)
        self.mean: Tensor
        self.covariance: Tensor
        self.precision: Tensor
        for name in self.fitted:
            self.register_buffer(name, empty(torch.float64))
        self._moments = Moments(covariance=True)

    def begin_fit(self) -> None:
        """Forget the statistics."""
        self._moments = Moments(covariance=True)

    def fit_batch(self, data: Tensor, weights: Tensor | None = None) -> None:  # type: ignore[override]  # noqa: ARG002
        """Take the spectra of a batch into account."""
        self._moments.update(data)

    def end_fit(self) -> None:
        """Keep mean, covariance and its pseudo-inverse, float64."""
        covariance = self._moments.spread()
        precision = torch.linalg.pinv(covariance, rtol=self.params.rcond, hermitian=True)
        self.set_fitted(mean=self._moments.mean(), covariance=covariance, precision=precision)
        self.begin_fit()

    def forward(self, data: Tensor, weights: Tensor | None = None) -> Outputs:
        """Score `data`."""
        require_channels(data, self.mean.numel(), type(self).__name__)
        mean, precision, rows = self.mean, self.precision, data.reshape(-1, data.shape[-1])
        if weights is not None:
            selection = weights.double()
            mean, precision = selection @ mean, self._selected_precision(selection)
            rows = rows @ weights.T
        scores = [_distances(chunk.double() - mean, precision) for chunk in torch.split(rows, _CHUNK_PIXELS)]
        return {"scores": torch.cat(scores).float().reshape(*data.shape[:-1], 1)}

    def _selected_precision(self, selection: Tensor) -> Tensor:
        covariance = selection @ self.covariance @ selection.T
        ridge = self.params.eps * covariance.diagonal().mean()
        identity = torch.eye(len(covariance), dtype=covariance.dtype, device=covariance.device)
        inverse: Tensor = torch.linalg.inv(covariance + ridge * identity)
        return inverse


def _distances(centred: Tensor, precision: Tensor) -> Tensor:
    distances: Tensor = (centred @ precision * centred).sum(dim=-1)
    return distances
