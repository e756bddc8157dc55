from __future__ import annotations

import numpy as np
import torch
from fitting import cube, fit, make

from catenary_server.nodes.rx_global import RXGlobal


def mahalanobis(data: np.ndarray) -> np.ndarray:
    pixels = data.reshape(-1, data.shape[-1]).astype(np.float64)
    centred = pixels - pixels.mean(axis=0)
    distances: np.ndarray = np.sum(centred @ np.linalg.pinv(np.cov(pixels.T)) * centred, axis=1)
    return distances


def test_scores_are_squared_mahalanobis_distances() -> None:
    data = cube()
    scores = fit(make(RXGlobal), data[:1], data[1:])(data=data)["scores"]
    assert scores.shape == (2, 6, 5, 1)
    assert scores.dtype is torch.float32
    np.testing.assert_allclose(scores.flatten(), mahalanobis(data.numpy()), rtol=1e-5)


def test_bands_that_depend_on_each_other_are_no_problem() -> None:
    data = cube()
    doubled = torch.cat([data, data], dim=-1)
    np.testing.assert_allclose(
        fit(make(RXGlobal, rcond=1e-12), doubled)(data=doubled)["scores"].flatten(),
        mahalanobis(data.numpy()),
        rtol=1e-4,
    )


def test_selected_channels_are_scored_by_their_own_statistics() -> None:
    data, weights = cube(), torch.eye(4)[[2, 0]]
    scores = fit(make(RXGlobal, eps=0), data)(data=data, weights=weights)["scores"]
    np.testing.assert_allclose(scores.flatten(), mahalanobis(data[..., [2, 0]].numpy()), rtol=1e-5)


def test_gradients_reach_the_selection_even_where_two_rows_agree() -> None:
    weights = torch.full((2, 4), 0.25, requires_grad=True)
    fit(make(RXGlobal), cube())(data=cube(), weights=weights)["scores"].sum().backward()
    assert weights.grad is not None
    assert weights.grad.isfinite().all()
