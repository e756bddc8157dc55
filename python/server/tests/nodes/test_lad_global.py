from __future__ import annotations

import numpy as np
import pytest
import torch
from fitting import cube, fit, make
from scipy.sparse.csgraph import laplacian

from catenary_server.nodes.lad_global import LADGlobal


@pytest.mark.parametrize("normalized", [True, False])
def test_scores_are_quadratic_forms_of_the_laplacian_of_the_bands(*, normalized: bool) -> None:
    data = cube()
    pixels = data.reshape(-1, 4).double().numpy()
    mean = pixels.mean(axis=0)
    weights = np.array([[1 / (1 + ((a - b) / np.abs(mean).mean()) ** 2) for a in mean] for b in mean])
    np.fill_diagonal(weights, 0)
    matrix = laplacian(weights, normed=normalized)
    expected = [(pixel - mean) @ matrix @ (pixel - mean) for pixel in pixels]
    scores = fit(make(LADGlobal, normalized=normalized), data[:1], data[1:])(data=data)["scores"]
    assert scores.shape == (2, 6, 5, 1)
    np.testing.assert_allclose(scores.flatten(), expected, rtol=1e-5)


def test_scores_are_sums_of_squared_differences_between_bands() -> None:
    """x^T L x = 1/2 sum_ij w_ij (x_i - x_j)^2 for the combinatorial Laplacian (the form that gives it its name)."""
    data = cube()
    node = fit(make(LADGlobal, normalized=False), data)
    weights = -node.laplacian.numpy() * (1 - np.eye(4))
    centred = data.reshape(-1, 4).double().numpy() - node.mean.numpy()
    differences = (centred[:, :, None] - centred[:, None, :]) ** 2
    expected = 0.5 * (differences * weights).sum(axis=(1, 2))
    np.testing.assert_allclose(node(data=data)["scores"].flatten(), expected, rtol=1e-4, atol=1e-5)


def test_a_mean_spectrum_of_zero_and_a_single_band_are_no_problem() -> None:
    data = cube()
    centred = data - data.mean(dim=(0, 1, 2))
    assert fit(make(LADGlobal), centred)(data=data)["scores"].isfinite().all()
    assert (fit(make(LADGlobal), data[..., :1])(data=data[..., :1])["scores"] == 0).all()


def test_gradients_pass() -> None:
    data = cube().requires_grad_()
    fit(make(LADGlobal), data.detach())(data=data)["scores"].sum().backward()
    assert data.grad is not None
    assert torch.isfinite(data.grad).all()
