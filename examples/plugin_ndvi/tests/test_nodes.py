from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.spatial.distance import cosine

from catenary_plugin_ndvi import NDVI, NODES, SpectralAngleMapper
from catenary_plugin_ndvi.ndvi import NDVIParams
from catenary_server.domain.failure import Failure, Reason


def ndvi(**params: float) -> NDVI:
    return NDVI(NDVIParams.read(params, "params"))


def spectra(seed: int = 0) -> torch.Tensor:
    return torch.rand(2, 5, 4, 6, generator=torch.Generator().manual_seed(seed))


def test_the_index_is_that_of_the_nearest_bands_of_each_cube() -> None:
    data = spectra()
    wavelengths = torch.tensor([[450.0, 550, 660, 680, 790, 900], [400.0, 500, 600, 671, 700, 812]])
    found = ndvi()(data=data, wavelengths=wavelengths)["index"]
    for cube, index, (red, nir) in zip(data.numpy(), found.numpy(), [(2, 4), (3, 5)], strict=True):
        np.testing.assert_allclose(
            index[..., 0], (cube[..., nir] - cube[..., red]) / (cube[..., nir] + cube[..., red]), rtol=1e-5
        )


def test_pixels_without_light_have_the_index_0() -> None:
    wavelengths = torch.tensor([[450.0, 550, 660, 680, 790, 900]]).repeat(2, 1)
    assert (ndvi()(data=spectra() * 0, wavelengths=wavelengths)["index"] == 0).all()


def test_a_camera_without_such_bands_is_refused() -> None:
    wavelengths = torch.linspace(400, 700, 6).repeat(2, 1)
    with pytest.raises(Failure) as caught:
        ndvi()(data=spectra(), wavelengths=wavelengths)
    assert caught.value.reason is Reason.FIELD_INVALID


def test_angles_to_the_mean_spectrum_are_those_of_scipy_and_ignore_brightness() -> None:
    training, data = spectra(), spectra(1)
    node = SpectralAngleMapper(SpectralAngleMapper.declaration.params.read({}, "params"))
    node.begin_fit()
    for half in training:
        node.fit_batch(data=half[None])
    node.end_fit()
    mean = training.reshape(-1, 6).double().numpy().mean(axis=0)
    expected = [np.arccos(1 - cosine(pixel, mean)) for pixel in data.reshape(-1, 6).double().numpy()]
    np.testing.assert_allclose(node(data=data)["scores"].flatten(), expected, rtol=1e-4)
    np.testing.assert_allclose(node(data=data * 7)["scores"].flatten(), expected, rtol=1e-4)
    assert node(data=data * 0)["scores"].flatten().tolist() == pytest.approx([np.pi / 2] * 40)


def test_every_node_type_describes_itself() -> None:
    for node in NODES:
        spec = node.spec()
        assert spec.description
        assert spec.citation
