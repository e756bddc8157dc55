"""Angles between spectra."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch.nn import functional

from catenary_server.domain.node import NodeCategory
from catenary_server.nodes.moments import Moments
from catenary_server.nodes.node import Declaration, Outputs, StatisticalNode, empty, require_channels
from catenary_server.nodes.params import NodeParams
from catenary_server.nodes.ports import cube_port, score_port

if TYPE_CHECKING:
    from torch import Tensor


class SpectralAngleMapper(StatisticalNode[NodeParams]):
    """Scores each pixel by its angle, in radians, to the mean spectrum of the training data.

    Kruse et al., "The spectral image processing system (SIPS)" (Remote Sensing of Environment 44, 1993): the angle does
    not change with brightness, so that shadows of a material score like the material. A pixel without light scores as
    if at a right angle to it.
    """

    declaration = Declaration(
        category=NodeCategory.MODEL,
        tags=("HYPERSPECTRAL", "ANOMALY"),
        inputs=(cube_port("data", "spectra"),),
        outputs=(score_port("scores", "angles to the mean spectrum, 0 to pi"),),
        fitted={"reference": ("bands",)},
        citation="Kruse et al., The spectral image processing system (SIPS): interactive visualization and analysis "
        "of imaging spectrometer data, Remote Sensing of Environment 44, 1993",
    )

    def __init__(self, params: NodeParams) -> None:
        super().__init__(params)
        self.reference: Tensor
        self.register_buffer("reference", empty())
        self._moments = Moments(covariance=False)

    def begin_fit(self) -> None:
        """Forget the mean."""
        self._moments = Moments(covariance=False)

    def fit_batch(self, data: Tensor) -> None:  # type: ignore[override]  # its ports by name
        """Take the spectra of a batch into the mean."""
        self._moments.update(data)

    def end_fit(self) -> None:
        """Keep the mean spectrum, float32."""
        self.set_fitted(reference=self._moments.mean().float())
        self.begin_fit()

    def forward(self, data: Tensor) -> Outputs:
        """Score `data`."""
        require_channels(data, self.reference.numel(), type(self).__name__)
        cosines = functional.cosine_similarity(data.double(), self.reference.double(), dim=-1)
        return {"scores": torch.arccos(cosines.clamp(-1, 1)).float().unsqueeze(-1)}
