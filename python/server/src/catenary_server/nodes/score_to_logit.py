"""From scores of any scale to logits."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn

from catenary_server.domain.node import NodeCategory
from catenary_server.nodes.moments import Moments
from catenary_server.nodes.node import Declaration, Outputs, StatisticalNode, empty
from catenary_server.nodes.params import NodeParams, param
from catenary_server.nodes.ports import score_port

if TYPE_CHECKING:
    from torch import Tensor

_LEAST_STD = 1e-12


class ScoreToLogitParams(NodeParams):
    """Parameters of `ScoreToLogit`."""

    boundary: float = param(
        3.0, description="standard deviations above the mean score at which the probability is 1/2 before training"
    )


class ScoreToLogit(StatisticalNode[ScoreToLogitParams]):
    """Turns scores into logits by a learnt affine map: gain * ((score - mean) / std - boundary).

    Platt, "Probabilistic outputs for support vector machines" (1999), with mean and standard deviation of the
    training scores as the scale to start from. Gain and boundary learn in the gradient phase.
    """

    declaration = Declaration(
        params=ScoreToLogitParams,
        category=NodeCategory.TRANSFORM,
        tags=("ANOMALY", "POSTPROCESSING"),
        inputs=(score_port("scores", "scores, larger = more anomalous"),),
        outputs=(score_port("logits", "logits of being an anomaly"),),
        learns=True,
        fitted={"mean": ("one",), "std": ("one",)},
        citation="Platt, Probabilistic outputs for support vector machines and comparisons to regularized "
        "likelihood methods, 1999",
    )

    def __init__(self, params: ScoreToLogitParams) -> None:
        super().__init__(params)
        self.mean: Tensor
        self.std: Tensor
        self.register_buffer("mean", empty())
        self.register_buffer("std", empty())
        self.gain = nn.Parameter(torch.ones(1))
        self.boundary = nn.Parameter(torch.full((1,), params.boundary))
        self._moments = Moments(covariance=False)

    def begin_fit(self) -> None:
        """Forget the moments, and what gradients made of gain and boundary."""
        self._moments = Moments(covariance=False)

    def fit_batch(self, scores: Tensor) -> None:  # type: ignore[override]  # its ports by name
        """Take the scores of a batch into the moments."""
        self._moments.update(scores)

    def end_fit(self) -> None:
        """Keep mean and standard deviation, float32 [1]."""
        std = self._moments.spread().sqrt().clamp_min(_LEAST_STD)
        self.set_fitted(mean=self._moments.mean().float(), std=std.float())
        with torch.no_grad():
            self.gain.fill_(1.0)
            self.boundary.fill_(self.params.boundary)
        self.begin_fit()

    def forward(self, scores: Tensor) -> Outputs:
        """Map `scores`."""
        return {"logits": self.gain * ((scores - self.mean) / self.std - self.boundary)}
