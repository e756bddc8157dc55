import numpy as np
import pytest

from catenary_scenes import SceneInvalid
from catenary_scenes.calibration import Calibration, to_reflectance

CUBE = np.full((2, 3, 4), 60.0, np.float32)


def test_a_scale_factor_divides() -> None:
    assert to_reflectance(CUBE, Calibration(scale_factor=120.0), "it") == pytest.approx(0.5)


@pytest.mark.parametrize("shape", [(4,), (3, 4), (1, 3, 4), (2, 3, 4)])
def test_references_of_every_documented_shape_are_used(shape: tuple[int, ...]) -> None:
    calibration = Calibration(white=np.full(shape, 110), dark=np.full(shape, 10), scale_factor=7.0)
    reflectance = to_reflectance(CUBE, calibration, "it")
    assert reflectance == pytest.approx(0.5)
    assert reflectance.shape == CUBE.shape
    assert reflectance.dtype == np.float32


def test_a_missing_dark_reference_is_zero() -> None:
    assert to_reflectance(CUBE, Calibration(white=np.full(4, 240)), "it") == pytest.approx(0.25)


@pytest.mark.parametrize(
    ("calibration", "message"),
    [
        (Calibration(), "neither a white reference nor a reflectance scale factor.*Raw"),
        (Calibration(dark=np.zeros(4)), "neither a white reference"),
        (Calibration(scale_factor=0.0), "positive"),
        (Calibration(scale_factor=float("nan")), "positive"),
        (Calibration(white=np.ones(4), dark=np.ones(4)), "4 of 4 places"),
        (Calibration(white=np.ones(5)), r"shape \(5,\)"),
        (Calibration(white=np.ones((1, 2, 3, 4))), "shape"),
        (Calibration(white=np.array([1, 1, np.nan, 1])), "not finite"),
        (Calibration(white=np.full(4, "w")), "white reference of it"),
    ],
)
def test_a_calibration_that_does_not_fit_is_refused(calibration: Calibration, message: str) -> None:
    with pytest.raises(SceneInvalid, match=message):
        to_reflectance(CUBE, calibration, "it")
