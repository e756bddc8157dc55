"""Scaling by the range of the training data."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from catenary_server.domain.failure import Failure, Reason
from catenary_server.domain.node import NodeCategory
from catenary_server.nodes.node import Declaration, Outputs, StatisticalNode, empty, require_channels
from catenary_server.nodes.params import NodeParams, param
from catenary_server.nodes.ports import cube_port

if TYPE_CHECKING:
    from torch import Tensor


class MinMaxNormalizerParams(NodeParams):
    """Parameters of `MinMaxNormalizer`."""

    eps: float = param(1e-6, gt=0, description="least range of a band; keeps constant bands finite")
    clip: bool = param(default=False, description="whether values outside the fitted range are clipped to [0, 1]")


class MinMaxNormalizer(StatisticalNode[MinMaxNormalizerParams]):
    """Maps each band to [0, 1] by the smallest and largest value of the training data: (x - min) / (max - min)."""

    declaration = Declaration(
        params=MinMaxNormalizerParams,
        category=NodeCategory.TRANSFORM,
        tags=("HYPERSPECTRAL", "PREPROCESSING"),
        inputs=(cube_port("data", "spectra"),),
        outputs=(cube_port("normalized", "spectra in [0, 1], for data like the training data"),),
        fitted={"minimum": ("bands",), "maximum": ("bands",)},
    )

    def __init__(self, params: MinMaxNormalizerParams) -> None:
        super().__init__(params)
        self.minimum: Tensor
        self.maximum: Tensor
        self.register_buffer("minimum", empty())
        self.register_buffer("maximum", empty())
        self._range: tuple[Tensor, Tensor] | None = None

    def begin_fit(self) -> None:
        """Forget the range."""
        self._range = None

    def fit_batch(self, data: Tensor) -> None:  # type: ignore[override]  # its ports by name
        """Widen the range by a batch."""
        rows = data.reshape(-1, data.shape[-1])
        low, high = rows.amin(dim=0), rows.amax(dim=0)
        if self._range is not None:
            low, high = torch.minimum(low, self._range[0]), torch.maximum(high, self._range[1])
        self._range = (low, high)

    def end_fit(self) -> None:
        """Keep the range."""
        if self._range is None or not bool(torch.isfinite(torch.cat(self._range)).all()):
            raise Failure(Reason.DATASET_INVALID, "the training data is empty or holds values that are not finite")
        self.set_fitted(minimum=self._range[0], maximum=self._range[1])
        self._range = None

    def forward(self, data: Tensor) -> Outputs:
        """Scale `data`."""
        require_channels(data, self.minimum.numel(), type(self).__name__)
        scaled = (data - self.minimum) / (self.maximum - self.minimum).clamp_min(self.params.eps)
        return {"normalized": scaled.clamp(0, 1) if self.params.clip else scaled}
