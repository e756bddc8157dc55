"""Selection of bands by their wavelength."""

from __future__ import annotations

from typing import TYPE_CHECKING

from catenary_server.domain.failure import Failure, Reason, Violation
from catenary_server.domain.node import NodeCategory
from catenary_server.nodes.node import Declaration, Node, Outputs
from catenary_server.nodes.params import NodeParams, param
from catenary_server.nodes.ports import cube_port, wavelengths_port

if TYPE_CHECKING:
    from torch import Tensor


class BandpassByWavelengthParams(NodeParams):
    """Parameters of `BandpassByWavelength`."""

    min_wavelength_nm: float = param(
        0.0, ge=0, description="smallest band centre that passes, in nanometres, inclusive"
    )
    max_wavelength_nm: float | None = param(
        None, gt=0, description="largest band centre that passes, in nanometres, inclusive; null = no limit"
    )


class BandpassByWavelength(Node[BandpassByWavelengthParams]):
    """Keeps the bands whose centres lie between two wavelengths, both inclusive, in their order.

    What noisy or water-absorption bands are left out with; it has nothing to fit. All cubes of a batch must have the
    same band centres.
    """

    declaration = Declaration(
        params=BandpassByWavelengthParams,
        category=NodeCategory.TRANSFORM,
        tags=("HYPERSPECTRAL", "PREPROCESSING"),
        inputs=(cube_port("data", "spectra"), wavelengths_port()),
        outputs=(
            cube_port("filtered", "the bands that pass, [B, H, W, passed]"),
            wavelengths_port("centres of the bands that pass in nanometres, [B, passed]"),
        ),
    )

    def __init__(self, params: BandpassByWavelengthParams) -> None:
        super().__init__(params)
        if params.max_wavelength_nm is not None and params.max_wavelength_nm < params.min_wavelength_nm:
            fault = Violation("max_wavelength_nm", "must not be less than min_wavelength_nm")
            raise Failure(Reason.GRAPH_INVALID, f"{fault.subject} {fault.description}", violations=(fault,))

    def forward(self, data: Tensor, wavelengths: Tensor) -> Outputs:
        """Select bands of `data`.

        Raises:
            Failure: TENSOR_SHAPE if the wavelengths do not fit the data; FIELD_INVALID if they differ within the batch
                or none passes.
        """
        if tuple(wavelengths.shape) != (data.shape[0], data.shape[-1]):
            expected = [data.shape[0], data.shape[-1]]
            raise _refused(Reason.TENSOR_SHAPE, f"have shape {list(wavelengths.shape)}, the data needs {expected}")
        if not bool((wavelengths == wavelengths[:1]).all()):
            raise _refused(Reason.FIELD_INVALID, "differ between the cubes of the batch: send them one by one")
        passes = self._passes(wavelengths[0])
        if not bool(passes.any()):
            low, high = float(wavelengths.min()), float(wavelengths.max())
            raise _refused(Reason.FIELD_INVALID, f"go from {low:g} to {high:g} nm, and none of them passes the filter")
        return {"filtered": data[..., passes], "wavelengths": wavelengths[:, passes]}

    def _passes(self, centres: Tensor) -> Tensor:
        passes = centres >= self.params.min_wavelength_nm
        if self.params.max_wavelength_nm is not None:
            passes = passes & (centres <= self.params.max_wavelength_nm)
        return passes


def _refused(reason: Reason, description: str) -> Failure:
    return Failure(reason, f"wavelengths {description}", violations=(Violation("inputs.wavelengths", description),))
