"""Selection of channels that gradients can learn."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import torch
from torch import nn
from torch.nn import functional

from catenary_server.domain.node import NodeCategory
from catenary_server.nodes.moments import Moments
from catenary_server.nodes.node import Declaration, Outputs, StatisticalNode, empty, require_channels
from catenary_server.nodes.params import NodeParams, param
from catenary_server.nodes.ports import cube_port, matrix_port

if TYPE_CHECKING:
    from torch import Tensor

_TAKEN = float("-inf")


class SoftChannelSelectorParams(NodeParams):
    """Parameters of `SoftChannelSelector`."""

    n_select: int = param(3, ge=1, le=4096, description="channels to select")
    tau_start: float = param(8.0, gt=0, description="temperature in the first epoch: high = soft choices")
    tau_end: float = param(0.05, gt=0, description="temperature in the last epoch: low = hard choices")
    init_method: Literal["uniform", "variance"] = param(
        "uniform", description="first logits: small random numbers, or the logarithm of the bands' variances"
    )
    init_noise: float = param(0.01, ge=0, description="standard deviation of the noise on the first logits")
    hard: bool = param(default=False, description="whether training passes hard choices forward (straight-through)")


class SoftChannelSelector(StatisticalNode[SoftChannelSelectorParams]):
    """Selects channels: soft, random choices while it learns, the most likely distinct channels afterwards.

    Gumbel softmax (Jang, Gu & Poole, ICLR 2017, eq. 2), also known as the Concrete distribution (Maddison, Mnih & Teh,
    ICLR 2017). Each of `n_select` rows of logits chooses one band; the temperature falls exponentially from
    `tau_start` to `tau_end` over the epochs. `weights` [n_select, bands] are the choices, rows summing to 1.
    """

    declaration = Declaration(
        params=SoftChannelSelectorParams,
        category=NodeCategory.MODEL,
        tags=("HYPERSPECTRAL", "DIM_REDUCTION"),
        inputs=(cube_port("data", "spectra"),),
        outputs=(
            cube_port("selected", "selected channels, [B, H, W, n_select]"),
            matrix_port("weights", "the choices, [n_select, bands]"),
        ),
        learns=True,
        fitted={"logits": ("channels", "bands")},
        citation="Jang, Gu & Poole, Categorical reparameterization with Gumbel-softmax, ICLR 2017; Maddison, Mnih"
        " & Teh, The Concrete distribution, ICLR 2017",
    )

    def __init__(self, params: SoftChannelSelectorParams) -> None:
        super().__init__(params)
        self.logits = nn.Parameter(empty())
        self.tau = params.tau_start
        self._moments = Moments(covariance=False)

    @property
    def channels(self) -> tuple[int, ...]:
        """The chosen bands by index, distinct: the most certain choice is served first."""
        probabilities = self.logits.detach().softmax(dim=1).clone()
        chosen: dict[int, int] = {}
        for _ in range(min(probabilities.shape)):
            row, band = divmod(int(probabilities.argmax()), probabilities.shape[1])
            chosen[row] = band
            probabilities[row, :] = _TAKEN
            probabilities[:, band] = _TAKEN
        return tuple(chosen[row] for row in sorted(chosen))

    def begin_epoch(self, epoch: int, epochs: int) -> None:
        """Cool down."""
        share = epoch / max(epochs - 1, 1)
        self.tau = self.params.tau_start * (self.params.tau_end / self.params.tau_start) ** share

    def begin_fit(self) -> None:
        """Forget the variances."""
        self._moments = Moments(covariance=False)

    def fit_batch(self, data: Tensor) -> None:  # type: ignore[override]  # its ports by name
        """Take the spectra of a batch into the variances."""
        self._moments.update(data)

    def end_fit(self) -> None:
        """Draw the first logits."""
        variances = self._moments.spread()
        count = min(self.params.n_select, variances.numel())
        logits = torch.randn(count, variances.numel()) * self.params.init_noise
        if self.params.init_method == "variance":
            smallest = torch.finfo(torch.float32).tiny
            logits = logits + variances.float().cpu().clamp_min(smallest).log()
        self.set_fitted(logits=logits.to(self.logits.device))
        self.begin_fit()

    def forward(self, data: Tensor) -> Outputs:
        """Select channels of `data`."""
        require_channels(data, self.logits.shape[1], type(self).__name__)
        weights = self._weights()
        return {"selected": data @ weights.T, "weights": weights}

    def _weights(self) -> Tensor:
        if self.training and torch.is_grad_enabled():
            return self._drawn()
        return self._chosen()

    def _drawn(self) -> Tensor:
        """One sample of the relaxed choice; with `hard` a straight-through one."""
        # Drawn on the CPU, so that one seed gives the same choices on every device.
        noise = -torch.empty(self.logits.shape).exponential_().log()
        soft = ((self.logits + noise.to(self.logits)) / self.tau).softmax(dim=1)
        if not self.params.hard:
            return soft
        choice = functional.one_hot(soft.argmax(dim=1), soft.shape[1]).to(soft.dtype)
        return choice - soft.detach() + soft

    def _chosen(self) -> Tensor:
        bands = torch.tensor(self.channels, device=self.logits.device)
        return functional.one_hot(bands, self.logits.shape[1]).to(self.logits.dtype)
