"""Mean squared error."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch.nn import functional

from catenary_server.domain.node import NodeCategory
from catenary_server.nodes.node import Declaration, Node, Outputs
from catenary_server.nodes.params import NodeParams, param
from catenary_server.nodes.ports import cube_port, scalar_port

if TYPE_CHECKING:
    from torch import Tensor


class MSELossParams(NodeParams):
    """Parameters of `MSELoss`."""

    weight: float = param(1.0, ge=0, description="factor of the loss")


class MSELoss(Node[MSELossParams]):
    """Mean squared difference of two cubes, for example of a reconstruction and its original."""

    declaration = Declaration(
        params=MSELossParams,
        category=NodeCategory.LOSS,
        tags=("RECONSTRUCTION", "REGRESSION"),
        inputs=(cube_port("predictions", "what was computed"), cube_port("targets", "what it should be")),
        outputs=(scalar_port("loss", "mean squared difference"),),
    )

    def forward(self, predictions: Tensor, targets: Tensor) -> Outputs:
        """The loss of a batch."""
        return {"loss": self.params.weight * functional.mse_loss(predictions, targets)}
