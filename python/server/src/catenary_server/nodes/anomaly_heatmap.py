"""Pictures of scores."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from catenary_server.domain.node import NodeCategory
from catenary_server.nodes.node import Declaration
from catenary_server.nodes.params import param
from catenary_server.nodes.ports import score_port
from catenary_server.nodes.visualizer import Visualizer, VisualizerParams, as_array

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray
    from torch import Tensor

    from catenary_server.nodes.node import Outputs


class AnomalyHeatmapParams(VisualizerParams):
    """Parameters of `AnomalyHeatmap`."""

    percentile: float = param(99.5, gt=0, le=100, description="scores above this percentile have the brightest colour")


class AnomalyHeatmap(Visualizer[AnomalyHeatmapParams]):
    """Writes each score map as a picture with a colour bar."""

    declaration = Declaration(
        category=NodeCategory.VISUALIZER,
        tags=("IMAGE",),
        params=AnomalyHeatmapParams,
        inputs=(score_port("scores", "scores, larger = brighter"),),
    )
    file_stem = "anomaly_heatmap"

    def forward(self, scores: Tensor) -> Outputs:
        """Write one picture for each image."""
        for image in as_array(scores):
            self.write(image[..., 0])
        return {}

    def draw(self, figure: Figure, axes: Axes, *images: NDArray[Any]) -> None:
        """A heat map."""
        (scores,) = images
        finite = scores[np.isfinite(scores)]
        limit = float(np.percentile(finite, self.params.percentile)) if finite.size else 1.0
        lowest = float(finite.min()) if finite.size else 0.0
        picture = axes.imshow(scores, cmap="inferno", vmin=lowest, vmax=max(limit, lowest + 1e-12))
        figure.colorbar(picture, ax=axes)
