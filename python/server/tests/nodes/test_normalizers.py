from __future__ import annotations

import numpy as np
import pytest
import torch
from fitting import cube, fit, make
from sklearn.preprocessing import MinMaxScaler, Normalizer, StandardScaler

from catenary_server.domain.failure import Failure, Reason
from catenary_server.nodes.min_max_normalizer import MinMaxNormalizer
from catenary_server.nodes.pixel_unit_normalizer import PixelUnitNormalizer
from catenary_server.nodes.z_score_normalizer import ZScoreNormalizer


def test_min_max_maps_the_training_data_to_0_and_1_band_by_band() -> None:
    data = cube()
    output = fit(make(MinMaxNormalizer), data[:1], data[1:])(data=data)["normalized"]
    assert torch.allclose(output.amin(dim=(0, 1, 2)), torch.zeros(4))
    assert torch.allclose(output.amax(dim=(0, 1, 2)), torch.ones(4))


def test_min_max_agrees_with_scikit_learn_on_other_data() -> None:
    training, other = cube(), cube(seed=1)
    expected = MinMaxScaler().fit(training.reshape(-1, 4)).transform(other.reshape(-1, 4))
    found = fit(make(MinMaxNormalizer), training[:1], training[1:])(data=other)["normalized"]
    np.testing.assert_allclose(found.reshape(-1, 4), expected, rtol=1e-4, atol=1e-6)


def test_z_scores_agree_with_scikit_learn_but_for_the_unbiased_deviation() -> None:
    training, other = cube(), cube(seed=1)
    pixels = training.reshape(-1, 4)
    expected = StandardScaler().fit(pixels).transform(other.reshape(-1, 4)) * np.sqrt((len(pixels) - 1) / len(pixels))
    found = fit(make(ZScoreNormalizer), training[:1], training[1:])(data=other)["normalized"]
    np.testing.assert_allclose(found.reshape(-1, 4), expected, rtol=1e-4, atol=1e-5)


def test_unit_spectra_agree_with_scikit_learn() -> None:
    data = cube()
    found = make(PixelUnitNormalizer)(data=data)["normalized"].reshape(-1, 4)
    np.testing.assert_allclose(found, Normalizer().fit_transform(data.reshape(-1, 4)), rtol=1e-5)


def test_min_max_clips_only_if_told_to() -> None:
    data = cube()
    beyond = data * 10
    assert fit(make(MinMaxNormalizer), data)(data=beyond)["normalized"].max() > 1
    assert fit(make(MinMaxNormalizer, clip=True), data)(data=beyond)["normalized"].max() <= 1


def test_z_score_gives_mean_0_and_deviation_1_band_by_band() -> None:
    data = cube()
    output = fit(make(ZScoreNormalizer), data[:1], data[1:])(data=data)["normalized"].reshape(-1, 4)
    assert torch.allclose(output.mean(dim=0), torch.zeros(4), atol=1e-5)
    assert torch.allclose(output.std(dim=0), torch.ones(4), atol=1e-5)


def test_unit_spectra_have_length_1_and_dark_pixels_stay_finite() -> None:
    data = cube()
    data[0, 0, 0] = 0
    lengths = make(PixelUnitNormalizer)(data=data)["normalized"].norm(dim=-1)
    assert lengths[0, 0, 0] == 0
    assert torch.allclose(lengths[1], torch.ones(6, 5))


@pytest.mark.parametrize("node", [MinMaxNormalizer, ZScoreNormalizer])
def test_constant_bands_stay_finite(node: type[MinMaxNormalizer | ZScoreNormalizer]) -> None:
    assert fit(make(node), torch.ones(1, 4, 4, 3))(data=torch.ones(1, 4, 4, 3))["normalized"].isfinite().all()


@pytest.mark.parametrize("node", [MinMaxNormalizer, ZScoreNormalizer])
def test_data_that_is_not_finite_cannot_be_fitted(node: type[MinMaxNormalizer | ZScoreNormalizer]) -> None:
    data = cube()
    data[0, 0, 0, 0] = torch.nan
    with pytest.raises(Failure) as caught:
        fit(make(node), data)
    assert caught.value.reason is Reason.DATASET_INVALID


def test_a_cube_of_other_bands_is_refused() -> None:
    with pytest.raises(Failure) as caught:
        fit(make(MinMaxNormalizer), cube())(data=cube(channels=5))
    assert caught.value.reason is Reason.TENSOR_SHAPE
