"""The engine with nodes that cost nothing, a fixed network, and one that keeps a processor busy."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from catenary_server.domain.node import NodeCategory
from catenary_server.engine.torch_engine import TorchEngine
from catenary_server.nodes.catalog import built_in_types
from catenary_server.nodes.node import Declaration, Node, Outputs, StatisticalNode
from catenary_server.nodes.params import NodeParams, param
from catenary_server.nodes.ports import cube_port, score_port

if TYPE_CHECKING:
    from catenary_server.domain.runtime import Engine

BANDS, HIDDEN = 61, 64
"""Sizes of the network: one spectrum in, one score out."""


def network() -> nn.Module:
    """The per-pixel network 61-64-1, the same wherever it is served."""
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(BANDS, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, 1))


class Identity(Node[NodeParams]):
    """Gives back what it gets."""

    declaration = Declaration(
        category=NodeCategory.TRANSFORM, inputs=(cube_port("cube", "any"),), outputs=(cube_port("cube", "the same"),)
    )

    def forward(self, cube: Tensor) -> Outputs:
        """The input."""
        return {"cube": cube}


class FirstBand(Node[NodeParams]):
    """Gives the first band: a large input, a small output, no work."""

    declaration = Declaration(
        category=NodeCategory.TRANSFORM,
        inputs=(cube_port("cube", "any"),),
        outputs=(score_port("band", "the first band"),),
    )

    def forward(self, cube: Tensor) -> Outputs:
        """One band."""
        return {"band": cube[..., :1].clone()}


class PixelNetwork(Node[NodeParams]):
    """Scores each pixel by the network."""

    declaration = Declaration(
        category=NodeCategory.MODEL,
        inputs=(cube_port("cube", "spectra"),),
        outputs=(score_port("scores", "scores"),),
    )

    def __init__(self, params: NodeParams) -> None:
        super().__init__(params)
        self.network = network()

    def forward(self, cube: Tensor) -> Outputs:
        """Scores."""
        return {"scores": self.network(cube)}


class BusyParams(NodeParams):
    """Parameters of `PurePythonTraining`."""

    seconds: float = param(0.2, gt=0, description="how long a batch takes")


class PurePythonTraining(StatisticalNode[BusyParams]):
    """Counts for some seconds a batch without ever leaving the interpreter: training that never releases its lock."""

    declaration = Declaration(
        category=NodeCategory.TRANSFORM,
        params=BusyParams,
        inputs=(cube_port("cube", "any"),),
        outputs=(cube_port("cube", "the same"),),
        fitted={"total": ()},
    )

    def __init__(self, params: BusyParams) -> None:
        super().__init__(params)
        self.register_buffer("total", torch.empty(0))
        self._total = 0

    def begin_fit(self) -> None:
        """Count from nothing."""
        self._total = 0

    def fit_batch(self, cube: Tensor) -> None:  # type: ignore[override]  # the engine calls with the ports of the node
        """Count."""
        del cube
        end = time.monotonic() + self.params.seconds
        while time.monotonic() < end:
            self._total += sum(range(1000))

    def end_fit(self) -> None:
        """Keep the count."""
        self.set_fitted(total=torch.tensor(float(self._total)))

    def forward(self, cube: Tensor) -> Outputs:
        """The input."""
        return {"cube": cube}


def build_engine(device: str = "auto") -> Engine:
    """The engine of a worker."""
    torch.set_num_threads(1)
    own = (Identity, FirstBand, PixelNetwork, PurePythonTraining)
    return TorchEngine(built_in_types() | {node.__name__: node for node in own}, device)
