"""Where a scene enters a pipeline."""

from __future__ import annotations

from typing import TYPE_CHECKING

from catenary_server.domain.failure import Failure, Reason, Violation
from catenary_server.domain.node import NodeCategory
from catenary_server.nodes.node import Declaration, Node, Outputs
from catenary_server.nodes.params import NodeParams
from catenary_server.nodes.ports import cube_port, mask_port, wavelengths_port

if TYPE_CHECKING:
    from torch import Tensor


class SceneInput(Node[NodeParams]):
    """Takes a hyperspectral cube, and with it ground truth and wavelengths where they are known."""

    declaration = Declaration(
        category=NodeCategory.SOURCE,
        inputs=(
            cube_port("cube", "scenes or tiles of one shape"),
            mask_port("mask", "ground truth, 0 = background", optional=True),
            wavelengths_port(optional=True),
        ),
        outputs=(
            cube_port("cube", "the cube"),
            mask_port("mask", "the ground truth, where given"),
            wavelengths_port(optional=True),
        ),
    )

    def forward(self, cube: Tensor, mask: Tensor | None = None, wavelengths: Tensor | None = None) -> Outputs:
        """Hand on what is given, once mask and wavelengths fit the cube.

        Raises:
            Failure: TENSOR_SHAPE.
        """
        outputs = {"cube": cube}
        if mask is not None:
            _require_shape("mask", mask, cube.shape[:3])
            outputs["mask"] = mask
        if wavelengths is not None:
            _require_shape("wavelengths", wavelengths, (cube.shape[0], cube.shape[3]))
            outputs["wavelengths"] = wavelengths
        return outputs


def _require_shape(name: str, tensor: Tensor, shape: tuple[int, ...]) -> None:
    if tuple(tensor.shape) != tuple(shape):
        description = f"shape {list(tensor.shape)} does not fit the cube: it must be {list(shape)}"
        raise Failure(
            Reason.TENSOR_SHAPE,
            f"input {name!r}: {description}",
            violations=(Violation(f"inputs.{name}", description),),
        )
