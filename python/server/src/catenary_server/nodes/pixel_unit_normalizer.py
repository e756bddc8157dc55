"""Scaling each pixel by its own length."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch.nn import functional

from catenary_server.domain.node import NodeCategory
from catenary_server.nodes.node import Declaration, Node, Outputs
from catenary_server.nodes.params import NodeParams, param
from catenary_server.nodes.ports import cube_port

if TYPE_CHECKING:
    from torch import Tensor


class PixelUnitNormalizerParams(NodeParams):
    """Parameters of `PixelUnitNormalizer`."""

    eps: float = param(1e-8, gt=0, description="least length of a spectrum; keeps dark pixels finite")


class PixelUnitNormalizer(Node[PixelUnitNormalizerParams]):
    """Gives each spectrum Euclidean length 1, so that only its shape counts and not how bright the pixel is."""

    declaration = Declaration(
        params=PixelUnitNormalizerParams,
        category=NodeCategory.TRANSFORM,
        tags=("HYPERSPECTRAL", "PREPROCESSING"),
        inputs=(cube_port("data", "spectra"),),
        outputs=(cube_port("normalized", "spectra of length 1"),),
    )

    def forward(self, data: Tensor) -> Outputs:
        """Divide each spectrum by its length."""
        return {"normalized": functional.normalize(data, dim=-1, eps=self.params.eps)}
