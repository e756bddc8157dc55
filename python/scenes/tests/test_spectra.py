import numpy as np
import pytest

from catenary_scenes.spectra import BACKGROUND, TARGETS, band_snr, vegetation, water

NM = np.arange(350.0, 2501.0, 5.0)


@pytest.mark.parametrize("name", [*BACKGROUND, *TARGETS])
def test_a_reflectance_is_between_zero_and_one_and_smooth(name: str) -> None:
    reflectance = {**BACKGROUND, **TARGETS}[name](NM)
    assert reflectance.min() >= 0.0
    assert reflectance.max() <= 0.7
    assert np.abs(np.diff(reflectance)).max() < 0.06


def test_vegetation_has_its_red_edge_green_peak_and_water_bands() -> None:
    at = dict(zip(NM, vegetation(NM), strict=True))
    assert at[800] > 5 * at[670]
    assert at[550] > at[450]
    assert at[550] > at[670]
    assert at[1450] < 0.5 * at[1250]


def test_water_is_dark_in_the_infrared() -> None:
    at = dict(zip(NM, water(NM), strict=True))
    assert at[1000] < 0.2 * at[550]


def test_the_noise_is_least_in_the_visible_and_worst_inside_water_vapour() -> None:
    at = dict(zip(NM, band_snr(NM, 40.0), strict=True))
    assert 60 < max(at.values()) <= 100
    assert at[400] < at[600]
    assert at[1400] < 0.2 * at[1250]
