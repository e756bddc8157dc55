import numpy as np
import pytest

from catenary_scenes import Scene, SceneInvalid, false_colour


def ramp_in(band: int, bands: int = 13) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    cube = np.zeros((10, 10, bands), np.float32)
    cube[:, :, band] = np.arange(100).reshape(10, 10)
    return cube


@pytest.mark.parametrize(("nanometres", "channel"), [(640, 0), (550, 1), (460, 2)])
def test_the_bands_nearest_to_red_green_and_blue_are_shown(nanometres: int, channel: int) -> None:
    wavelengths = np.linspace(400, 1000, 13)
    picture = false_colour(ramp_in(int(np.argmin(np.abs(wavelengths - nanometres)))), wavelengths)
    assert picture.dtype == np.uint8
    assert picture.shape == (10, 10, 3)
    assert (picture[0, 0, channel], picture[9, 9, channel]) == (0, 255)
    others = [other for other in range(3) if other != channel]
    assert (picture[:, :, others] == picture[0, 0, others[0]]).all()


@pytest.mark.parametrize("wavelengths", [None, np.linspace(1000, 2400, 13)])
def test_without_visible_bands_they_are_equally_spaced(
    wavelengths: np.ndarray[tuple[int], np.dtype[np.float64]],
) -> None:
    for band, channel in ((10, 0), (6, 1), (2, 2)):
        assert np.ptp(false_colour(ramp_in(band), wavelengths)[:, :, channel]) == 255


def test_one_band_makes_a_grey_picture(scene: Scene) -> None:
    picture = false_colour(scene.cube[:, :, :1], scene.wavelengths[:1])
    assert (picture[:, :, 0] == picture[:, :, 2]).all()
    assert np.ptp(picture) == 255


def test_a_flat_cube_is_mid_grey() -> None:
    assert (false_colour(np.full((3, 3, 5), 7.0)) == 128).all()


def test_a_cube_or_wavelengths_of_another_shape_are_refused() -> None:
    with pytest.raises(SceneInvalid, match="no picture"):
        false_colour(np.zeros((3, 3)))
    with pytest.raises(SceneInvalid, match="4 bands"):
        false_colour(np.zeros((3, 3, 4)), np.arange(3))
