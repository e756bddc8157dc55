from __future__ import annotations

import numpy as np
import pytest
import torch

from catenary_server.domain.failure import Failure
from catenary_server.nodes.moments import Moments


@pytest.mark.parametrize("sizes", [(1000,), (1, 999), (300, 300, 400), (0, 1000)])
def test_batches_give_the_moments_of_all_rows_even_far_from_zero(sizes: tuple[int, ...]) -> None:
    data = torch.randn(1000, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64) + 1e6
    moments, variances = Moments(covariance=True), Moments(covariance=False)
    for part in torch.split(data, list(sizes)):
        moments.update(part)
        variances.update(part)
    np.testing.assert_allclose(moments.mean(), data.mean(dim=0), rtol=1e-14)
    np.testing.assert_allclose(moments.spread(), np.cov(data.numpy().T), rtol=1e-8, atol=1e-9)
    np.testing.assert_allclose(variances.spread(), moments.spread().diagonal(), rtol=1e-8)


def test_too_few_pixels_are_refused() -> None:
    with pytest.raises(Failure):
        Moments(covariance=True).mean()
    single = Moments(covariance=True)
    single.update(torch.ones(1, 3))
    with pytest.raises(Failure):
        single.spread()
