"""Pictures of decisions on top of scores."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from catenary_server.domain.node import NodeCategory
from catenary_server.nodes.node import Declaration
from catenary_server.nodes.ports import cube_port, decision_port, mask_port
from catenary_server.nodes.visualizer import Visualizer, VisualizerParams, as_array

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray
    from torch import Tensor

    from catenary_server.nodes.node import Outputs

_MISSED, _FALSE, _FOUND = (0.1, 0.4, 1.0), (1.0, 0.2, 0.1), (0.1, 0.9, 0.2)


class MaskOverlay(Visualizer[VisualizerParams]):
    """Writes decisions over the mean of all bands: found anomalies green, false alarms red, missed ones blue.

    Without ground truth every decision is red.
    """

    declaration = Declaration(
        category=NodeCategory.VISUALIZER,
        tags=("IMAGE",),
        params=VisualizerParams,
        inputs=(
            cube_port("data", "spectra behind the overlay"),
            decision_port("decisions", "true = anomaly"),
            mask_port("targets", "ground truth, 0 = background", optional=True),
        ),
    )
    file_stem = "mask_overlay"

    def forward(self, data: Tensor, decisions: Tensor, targets: Tensor | None = None) -> Outputs:
        """Write one picture for each image."""
        truth = (decisions[..., 0] & False) if targets is None else targets > 0
        for image, decided, true in zip(as_array(data), as_array(decisions), as_array(truth), strict=True):
            self.write(image.mean(axis=-1), decided[..., 0], true)
        return {}

    def draw(self, figure: Figure, axes: Axes, *images: NDArray[Any]) -> None:  # noqa: ARG002 - no colour bar
        """The overlay."""
        brightness, decided, true = images
        low, high = np.nanpercentile(brightness, (2, 98))
        grey = np.clip((brightness - low) / max(high - low, 1e-12), 0, 1)
        picture = np.repeat(grey[..., None], 3, axis=-1)
        picture[~decided & true] = _MISSED
        picture[decided & ~true] = _FALSE
        picture[decided & true] = _FOUND
        axes.imshow(picture)
