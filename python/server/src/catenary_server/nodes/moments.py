"""Mean and covariance of a stream of pixels in float64.

Batches are merged by the pairwise update of Chan, Golub & LeVeque, "Algorithms for computing the sample variance"
(The American Statistician 37, 1983), eq. 2.1: no catastrophic cancellation, and the order of batches hardly matters.
"""

from __future__ import annotations

import torch
from torch import Tensor

from catenary_server.domain.failure import Failure, Reason


class Moments:
    """Count, mean and scatter of the rows seen so far.

    Args:
        covariance: whether to keep the full matrix; otherwise only its diagonal.
    """

    def __init__(self, *, covariance: bool) -> None:
        self.covariance = covariance
        self.count = 0
        self._mean = torch.empty(0, dtype=torch.float64)
        self._scatter = torch.empty(0, dtype=torch.float64)

    def update(self, data: Tensor) -> None:
        """Take pixels [..., C] into account."""
        rows = data.detach().reshape(-1, data.shape[-1]).double()
        count = rows.shape[0]
        if count == 0:
            return
        mean = rows.mean(dim=0)
        centred = rows - mean
        scatter = centred.T @ centred if self.covariance else centred.square().sum(dim=0)
        if self.count == 0:
            self.count, self._mean, self._scatter = count, mean, scatter
            return
        delta, total = mean - self._mean, self.count + count
        between = torch.outer(delta, delta) if self.covariance else delta.square()
        self._scatter = self._scatter + scatter + between * (self.count * count / total)
        self._mean = self._mean + delta * (count / total)
        self.count = total

    def mean(self) -> Tensor:
        """Mean, float64 [C].

        Raises:
            Failure: DATASET_INVALID if there was no pixel, or one with a value that is not finite.
        """
        self._require(1)
        return self._mean

    def spread(self) -> Tensor:
        """Unbiased covariance, float64 [C, C], or variance, [C], without `covariance`.

        Raises:
            Failure: DATASET_INVALID if there were fewer than two pixels, or a value that is not finite.
        """
        self._require(2)
        return self._scatter / (self.count - 1)

    def _require(self, count: int) -> None:
        if self.count < count:
            raise Failure(Reason.DATASET_INVALID, f"the training data has {self.count} pixels; at least {count} needed")
        if not bool(torch.isfinite(self._mean).all() and torch.isfinite(self._scatter).all()):
            raise Failure(Reason.DATASET_INVALID, "the training data holds values that are not finite")
