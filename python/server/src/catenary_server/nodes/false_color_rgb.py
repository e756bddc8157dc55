"""False-colour pictures of cubes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from catenary_server.domain.node import NodeCategory
from catenary_server.nodes.node import Declaration
from catenary_server.nodes.params import param
from catenary_server.nodes.ports import cube_port, wavelengths_port
from catenary_server.nodes.visualizer import Visualizer, VisualizerParams, as_array

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray
    from torch import Tensor

    from catenary_server.nodes.node import Outputs

_FIRST_WAVELENGTH_NM = 300.0
"""Smaller numbers are band indices, not nanometres."""


class FalseColorRGBParams(VisualizerParams):
    """Parameters of `FalseColorRGB`."""

    red_nm: float = param(650.0, gt=0, description="wavelength shown as red, in nanometres")
    green_nm: float = param(550.0, gt=0, description="wavelength shown as green, in nanometres")
    blue_nm: float = param(450.0, gt=0, description="wavelength shown as blue, in nanometres")


class FalseColorRGB(Visualizer[FalseColorRGBParams]):
    """Writes each cube as a picture of three bands, stretched between their 2nd and 98th percentile.

    The bands nearest to the three wavelengths, or evenly spread ones where the wavelengths are not known; a cube of
    three channels is shown as it is.
    """

    declaration = Declaration(
        category=NodeCategory.VISUALIZER,
        tags=("IMAGE",),
        params=FalseColorRGBParams,
        inputs=(
            cube_port("data", "spectra"),
            wavelengths_port(optional=True),
        ),
    )
    file_stem = "false_color"

    def forward(self, data: Tensor, wavelengths: Tensor | None = None) -> Outputs:
        """Write one picture for each image."""
        known = [None] * len(data) if wavelengths is None else list(as_array(wavelengths))
        for image, centres in zip(as_array(data), known, strict=True):
            self.write(image[..., self._bands(image.shape[-1], centres)])
        return {}

    def draw(self, figure: Figure, axes: Axes, *images: NDArray[Any]) -> None:  # noqa: ARG002 - no colour bar
        """A stretched picture."""
        (bands,) = images
        low, high = np.nanpercentile(bands, (2, 98), axis=(0, 1))
        axes.imshow(np.clip((bands - low) / np.maximum(high - low, 1e-12), 0, 1))

    def _bands(self, count: int, centres: NDArray[Any] | None) -> list[int]:
        if count == 3:  # noqa: PLR2004 - red, green, blue
            return [0, 1, 2]
        if centres is None or float(centres.max()) < _FIRST_WAVELENGTH_NM:
            return [round(share * (count - 1)) for share in (0.75, 0.5, 0.25)]
        wanted = (self.params.red_nm, self.params.green_nm, self.params.blue_nm)
        return [int(np.abs(centres - wavelength).argmin()) for wavelength in wanted]
