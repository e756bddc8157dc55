"""The map that Deep SVDD learns."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.nn import functional

from catenary_server.domain.node import NodeCategory
from catenary_server.nodes.node import Declaration, Outputs, StatisticalNode, empty, require_channels
from catenary_server.nodes.params import NodeParams, param
from catenary_server.nodes.ports import cube_port

if TYPE_CHECKING:
    from torch import Tensor

_NEGATIVE_SLOPE = 0.1
"""Slope of the leaky rectifier: unbounded, as Ruff et al. ask for (proposition 3)."""


class DeepSVDDProjectionParams(NodeParams):
    """Parameters of `DeepSVDDProjection`."""

    out_features: int | None = param(None, ge=1, le=65_536, description="size of the embedding; null = as the input")
    hidden_features: int = param(0, ge=0, le=65_536, description="size of a hidden layer; 0 = one linear map")


class DeepSVDDProjection(StatisticalNode[DeepSVDDProjectionParams]):
    """Maps pixels to embeddings that gradients draw towards a centre.

    Ruff et al., "Deep one-class classification" (ICML 2018): no biases and unbounded activations, else all pixels
    could be mapped onto the centre. The layers start orthogonal (Saxe et al. 2014), so a square linear map keeps all
    distances and training starts from the distances of its input. Fitting only draws the layers, for as many channels
    as the data has.
    """

    declaration = Declaration(
        params=DeepSVDDProjectionParams,
        category=NodeCategory.MODEL,
        tags=("ANOMALY", "EMBEDDING"),
        inputs=(cube_port("data", "features of pixels"),),
        outputs=(cube_port("embeddings", "embeddings, [B, H, W, out_features]"),),
        learns=True,
        fit_batches=1,
        citation="Ruff et al., Deep one-class classification, ICML 2018",
    )

    def __init__(self, params: DeepSVDDProjectionParams) -> None:
        super().__init__(params)
        self.weight = nn.Parameter(empty())
        if params.hidden_features:
            self.hidden_weight = nn.Parameter(empty())
        self._channels = 0

    @property
    def fitted(self) -> dict[str, tuple[str, ...]]:
        """The layers."""
        if self.params.hidden_features:
            return {"hidden_weight": ("hidden", "channels"), "weight": ("embedding", "hidden")}
        return {"weight": ("embedding", "channels")}

    def begin_fit(self) -> None:
        """Nothing to forget: the layers are drawn anew."""

    def fit_batch(self, data: Tensor) -> None:  # type: ignore[override]  # its ports by name
        """See how many channels there are."""
        self._channels = data.shape[-1]

    def end_fit(self) -> None:
        """Draw the layers."""
        sizes = [self._channels, self.params.out_features or self._channels]
        if self.params.hidden_features:
            sizes.insert(1, self.params.hidden_features)
        layers = [_orthogonal(rows, columns) for columns, rows in itertools.pairwise(sizes)]
        self.set_fitted(**{name: layer.to(self.weight.device) for name, layer in zip(self.fitted, layers, strict=True)})

    def forward(self, data: Tensor) -> Outputs:
        """Embed `data`."""
        layers = [self.get_tensor(name) for name in self.fitted]
        require_channels(data, layers[0].shape[1], type(self).__name__)
        for layer in layers[:-1]:
            data = functional.leaky_relu(data @ layer.T, _NEGATIVE_SLOPE)
        return {"embeddings": data @ layers[-1].T}


def _orthogonal(rows: int, columns: int) -> Tensor:
    return nn.init.orthogonal_(torch.empty(rows, columns))
