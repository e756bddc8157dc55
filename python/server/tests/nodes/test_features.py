from __future__ import annotations

import numpy as np
import pytest
import torch
from fitting import cube, fit, make
from sklearn.decomposition import PCA
from sklearn.metrics.pairwise import rbf_kernel

from catenary_server.domain.failure import Failure, Reason
from catenary_server.nodes.random_fourier_features import RandomFourierFeatures
from catenary_server.nodes.trainable_pca import TrainablePCA


def test_components_are_those_of_the_singular_value_decomposition() -> None:
    data = cube()
    pixels = data.reshape(-1, 4).double().numpy()
    centred = pixels - pixels.mean(axis=0)
    expected = centred @ np.linalg.svd(centred, full_matrices=False)[2][:2].T
    output = fit(make(TrainablePCA, n_components=2), data[:1], data[1:])(data=data)["projected"].detach().reshape(-1, 2)
    np.testing.assert_allclose(np.abs(output.numpy()), np.abs(expected), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("whiten", [False, True])
def test_projections_agree_with_scikit_learn_but_for_signs(*, whiten: bool) -> None:
    training, other = cube(), cube(seed=1)
    expected = PCA(n_components=3, whiten=whiten).fit(training.reshape(-1, 4)).transform(other.reshape(-1, 4))
    node = fit(make(TrainablePCA, n_components=3, whiten=whiten), training[:1], training[1:])
    found = node(data=other)["projected"].detach().reshape(-1, 3).numpy()
    signs = np.sign((found * expected).sum(axis=0))
    np.testing.assert_allclose(found * signs, expected, rtol=1e-3, atol=1e-3)


def test_whitened_components_have_variance_1() -> None:
    data = cube()
    output = fit(make(TrainablePCA, whiten=True), data)(data=data)["projected"].detach().reshape(-1, 4)
    np.testing.assert_allclose(np.cov(output.T), np.eye(4), atol=1e-4)


def test_no_component_is_made_of_rounding_noise() -> None:
    data = cube()
    doubled = torch.cat([data, data], dim=-1)
    assert fit(make(TrainablePCA, whiten=True), doubled)(data=doubled)["projected"].shape[-1] == 4
    with pytest.raises(Failure) as caught:
        fit(make(TrainablePCA), torch.ones(1, 4, 4, 3))
    assert caught.value.reason is Reason.DATASET_INVALID


def test_fourier_features_approximate_the_gaussian_kernel() -> None:
    torch.manual_seed(0)
    data = cube(rows=2, cols=2)
    node = fit(make(RandomFourierFeatures, n_features=40_000, bandwidth=3.0), data)
    features = node(data=data)["features"].reshape(8, -1)
    kernel = rbf_kernel(data.reshape(8, 4), gamma=1 / (2 * 3.0**2))
    np.testing.assert_allclose(features @ features.T, kernel, atol=0.03)


def test_the_bandwidth_is_the_median_distance_between_pixels() -> None:
    data = torch.tensor([0.0, 3.0, 4.0]).reshape(1, 1, 3, 1)
    torch.manual_seed(0)
    automatic = fit(make(RandomFourierFeatures, bandwidth_scale=2.0), data)
    torch.manual_seed(0)
    given = fit(make(RandomFourierFeatures, bandwidth=6.0), data)
    assert torch.allclose(automatic.frequencies, given.frequencies)


def test_one_seed_draws_the_same_features() -> None:
    draws = []
    for _ in range(2):
        torch.manual_seed(5)
        draws.append(fit(make(RandomFourierFeatures), cube()).frequencies)
    assert torch.equal(*draws)


def test_pixels_that_are_all_equal_have_no_bandwidth() -> None:
    with pytest.raises(Failure) as caught:
        fit(make(RandomFourierFeatures), torch.ones(1, 4, 4, 3))
    assert caught.value.reason is Reason.DATASET_INVALID
