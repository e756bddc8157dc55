"""Random features whose inner products approximate a Gaussian kernel."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch

from catenary_server.domain.failure import Failure, Reason
from catenary_server.domain.node import NodeCategory
from catenary_server.nodes.node import Declaration, Outputs, StatisticalNode, empty, require_channels
from catenary_server.nodes.params import NodeParams, param
from catenary_server.nodes.ports import cube_port

if TYPE_CHECKING:
    from torch import Tensor

_SAMPLES_PER_BATCH = 128
_SAMPLES = 1_000
"""Pixels whose pairwise distances give the bandwidth: half a million distances, 4 MB."""


class RandomFourierFeaturesParams(NodeParams):
    """Parameters of `RandomFourierFeatures`."""

    n_features: int = param(256, ge=1, le=65_536, description="how many features; the kernel's error falls as 1/sqrt")
    bandwidth: float | None = param(
        None, gt=0, description="width of the kernel; null = the median distance between pixels of the training data"
    )
    bandwidth_scale: float = param(1.0, gt=0, description="factor on the median distance")


class RandomFourierFeatures(StatisticalNode[RandomFourierFeaturesParams]):
    """Maps pixels to features whose inner product approximates exp(-|x - y|^2 / (2 bandwidth^2)).

    Rahimi & Recht, "Random features for large-scale kernel machines" (NIPS 2007), algorithm 1:
    sqrt(2 / n) cos(x omega + phase), omega ~ N(0, 1 / bandwidth^2), phase ~ U(0, 2 pi). Frequencies and phases are
    drawn while fitting, from the run's seed, and never change.
    """

    declaration = Declaration(
        params=RandomFourierFeaturesParams,
        category=NodeCategory.TRANSFORM,
        tags=("EMBEDDING",),
        inputs=(cube_port("data", "pixels"),),
        outputs=(cube_port("features", "features, [B, H, W, n_features]"),),
        fitted={"frequencies": ("channels", "features"), "phases": ("features",)},
        citation="Rahimi & Recht, Random features for large-scale kernel machines, NIPS 2007",
    )

    def __init__(self, params: RandomFourierFeaturesParams) -> None:
        super().__init__(params)
        self.frequencies: Tensor
        self.phases: Tensor
        self.register_buffer("frequencies", empty())
        self.register_buffer("phases", empty())
        self._samples: list[Tensor] = []

    def begin_fit(self) -> None:
        """Forget the samples."""
        self._samples = []

    def fit_batch(self, data: Tensor) -> None:  # type: ignore[override]  # its ports by name
        """Keep some pixels of a batch, evenly spaced."""
        self._samples.append(_thinned(data.reshape(-1, data.shape[-1]), _SAMPLES_PER_BATCH).clone())

    def end_fit(self) -> None:
        """Choose the bandwidth and draw frequencies and phases."""
        samples = _thinned(torch.cat(self._samples), _SAMPLES)
        bandwidth = self.params.bandwidth or self.params.bandwidth_scale * _median_distance(samples)
        # Drawn on the CPU, so that one seed gives the same features on every device.
        frequencies = torch.randn(samples.shape[1], self.params.n_features) / bandwidth
        phases = torch.rand(self.params.n_features) * (2 * math.pi)
        self.set_fitted(frequencies=frequencies.to(samples.device), phases=phases.to(samples.device))
        self._samples = []

    def forward(self, data: Tensor) -> Outputs:
        """Map `data`."""
        require_channels(data, self.frequencies.shape[0], type(self).__name__)
        features = torch.cos(data @ self.frequencies + self.phases)
        return {"features": features * math.sqrt(2 / self.phases.numel())}


def _thinned(rows: Tensor, limit: int) -> Tensor:
    return rows[:: -(-len(rows) // limit)]


def _median_distance(samples: Tensor) -> float:
    distances = torch.pdist(samples)
    median = float(distances.median()) if distances.numel() else 0.0
    if not 0 < median < math.inf:
        raise Failure(Reason.DATASET_INVALID, "the training pixels are equal or not finite: no bandwidth fits them")
    return median
