"""The normalised difference vegetation index."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from catenary_server.domain.failure import Failure, Reason, Violation
from catenary_server.domain.node import NodeCategory
from catenary_server.nodes.node import Declaration, Node, Outputs
from catenary_server.nodes.params import NodeParams, param
from catenary_server.nodes.ports import cube_port, score_port, wavelengths_port

if TYPE_CHECKING:
    from torch import Tensor


class NDVIParams(NodeParams):
    """Parameters of `NDVI`."""

    red_nm: float = param(670.0, gt=0, description="centre of the red band, in nanometres")
    nir_nm: float = param(800.0, gt=0, description="centre of the near-infrared band, in nanometres")
    tolerance_nm: float = param(30.0, gt=0, description="how far the nearest band may be from a centre, in nanometres")


class NDVI(Node[NDVIParams]):
    """Computes (NIR - red) / (NIR + red) of each pixel, from -1 to 1; vegetation lies above 0.3 or so.

    Rouse, Haas, Schell & Deering, "Monitoring vegetation systems in the Great Plains with ERTS" (1974). The bands
    nearest to the two wavelengths are taken; pixels without light in both have the index 0.
    """

    declaration = Declaration(
        params=NDVIParams,
        category=NodeCategory.TRANSFORM,
        tags=("HYPERSPECTRAL", "MULTISPECTRAL"),
        inputs=(cube_port("data", "reflectances"), wavelengths_port()),
        outputs=(score_port("index", "vegetation index, -1 to 1"),),
        citation="Rouse, Haas, Schell & Deering, Monitoring vegetation systems in the Great Plains with ERTS, 1974",
    )

    def forward(self, data: Tensor, wavelengths: Tensor) -> Outputs:
        """The index of each pixel.

        Raises:
            Failure: FIELD_INVALID if no band lies near one of the wavelengths.
        """
        red, near_infrared = (self._bands(data, wavelengths, nm) for nm in (self.params.red_nm, self.params.nir_nm))
        total = near_infrared + red
        index = torch.where(total == 0, 0.0, (near_infrared - red) / total.where(total != 0, 1.0))
        return {"index": index}

    def _bands(self, data: Tensor, wavelengths: Tensor, wanted: float) -> Tensor:
        """The nearest band of each cube, [B, H, W, 1]."""
        distances, nearest = (wavelengths - wanted).abs().min(dim=1)
        if bool((distances > self.params.tolerance_nm).any()):
            fault = Violation(
                "inputs.wavelengths", f"have no band within {self.params.tolerance_nm:g} nm of {wanted:g}"
            )
            raise Failure(Reason.FIELD_INVALID, f"wavelengths {fault.description}", violations=(fault,))
        return torch.stack([cube[..., band] for cube, band in zip(data, nearest, strict=True)]).unsqueeze(-1)
