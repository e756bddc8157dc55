"""The Laplacian anomaly detector."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from catenary_server.domain.node import NodeCategory
from catenary_server.nodes.moments import Moments
from catenary_server.nodes.node import Declaration, Outputs, StatisticalNode, empty, require_channels
from catenary_server.nodes.params import NodeParams, param
from catenary_server.nodes.ports import cube_port, score_port

if TYPE_CHECKING:
    from torch import Tensor

_CHUNK_PIXELS = 65_536
"""Pixels scored at once: bounds the float64 copy of a large scene."""


class LADGlobalParams(NodeParams):
    """Parameters of `LADGlobal`."""

    normalized: bool = param(
        default=True, description="whether the Laplacian is the symmetric normalized one; else the combinatorial one"
    )


class LADGlobal(StatisticalNode[LADGlobalParams]):
    """Scores each pixel by how roughly its spectrum lies on a graph of similar bands: (x - mean)^T L (x - mean).

    Verdoja & Grangetto (Machine Vision and Applications 31, 2020): L is the Laplacian of a graph whose nodes are the
    bands, joined by Cauchy weights 1 / (1 + ((m_i - m_j) / a)^2) of the mean spectrum m; a is the mean absolute value
    of m. Unlike RX it inverts no covariance, so that few pixels are enough.
    """

    declaration = Declaration(
        params=LADGlobalParams,
        category=NodeCategory.MODEL,
        tags=("HYPERSPECTRAL", "ANOMALY"),
        inputs=(cube_port("data", "spectra"),),
        outputs=(score_port("scores", "quadratic forms of the Laplacian, 0 or greater"),),
        fitted={"mean": ("bands",), "laplacian": ("bands", "bands")},
        citation="Verdoja & Grangetto, Graph Laplacian for image anomaly detection, Machine Vision and Applications "
        "31, 2020",
    )

    def __init__(self, params: LADGlobalParams) -> None:
        super().__init__(params)
        self.mean: Tensor
        self.laplacian: Tensor
        for name in self.fitted:
            self.register_buffer(name, empty(torch.float64))
        self._moments = Moments(covariance=False)

    def begin_fit(self) -> None:
        """Forget the mean spectrum."""
        self._moments = Moments(covariance=False)

    def fit_batch(self, data: Tensor) -> None:  # type: ignore[override]  # its ports by name
        """Take the spectra of a batch into the mean."""
        self._moments.update(data)

    def end_fit(self) -> None:
        """Keep the mean spectrum and the Laplacian of its graph, float64."""
        mean = self._moments.mean()
        self.set_fitted(mean=mean, laplacian=band_laplacian(mean, normalized=self.params.normalized))
        self.begin_fit()

    def forward(self, data: Tensor) -> Outputs:
        """Score `data`."""
        require_channels(data, self.mean.numel(), type(self).__name__)
        rows = data.reshape(-1, data.shape[-1])
        scores = [self._roughness(chunk.double() - self.mean) for chunk in torch.split(rows, _CHUNK_PIXELS)]
        return {"scores": torch.cat(scores).float().reshape(*data.shape[:-1], 1)}

    def _roughness(self, centred: Tensor) -> Tensor:
        roughness: Tensor = (centred @ self.laplacian * centred).sum(dim=-1)
        return roughness


def band_laplacian(mean: Tensor, *, normalized: bool) -> Tensor:
    """Laplacian of the complete graph of bands with Cauchy weights, [C, C] of a mean spectrum [C]."""
    scale = mean.abs().mean().clamp_min(torch.finfo(mean.dtype).tiny)
    weights = 1 / (1 + ((mean[:, None] - mean) / scale).square())
    weights.fill_diagonal_(0)
    degrees = weights.sum(dim=1)
    laplacian = torch.diag(degrees) - weights
    # A single band has no neighbour: its degree of zero must not be divided by.
    root = degrees.sqrt().clamp_min(torch.finfo(mean.dtype).tiny)
    return laplacian / root / root[:, None] if normalized else laplacian
