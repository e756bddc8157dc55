from __future__ import annotations

import numpy as np
import pytest
import torch
from fitting import cube, make

from catenary_server.domain.failure import Failure, Reason
from catenary_server.nodes.bandpass_by_wavelength import BandpassByWavelength

CENTRES = [400.0, 500.0, 600.0, 700.0]


def wavelengths(*rows: list[float]) -> torch.Tensor:
    return torch.tensor(rows or [CENTRES, CENTRES])


@pytest.mark.parametrize(
    ("low", "high", "passed"),
    [(0.0, None, [0, 1, 2, 3]), (500.0, 600.0, [1, 2]), (450.0, None, [1, 2, 3]), (0.0, 400.0, [0])],
)
def test_bands_between_the_wavelengths_pass_both_ends_included(
    low: float, high: float | None, passed: list[int]
) -> None:
    data = cube()
    outputs = make(BandpassByWavelength, min_wavelength_nm=low, max_wavelength_nm=high)(
        data=data, wavelengths=wavelengths()
    )
    np.testing.assert_array_equal(outputs["filtered"], np.take(data.numpy(), passed, axis=-1))
    assert outputs["wavelengths"].tolist() == [[CENTRES[band] for band in passed]] * 2


@pytest.mark.parametrize(
    ("centres", "reason"),
    [
        (wavelengths(CENTRES[:3], CENTRES[:3]), Reason.TENSOR_SHAPE),
        (wavelengths(CENTRES), Reason.TENSOR_SHAPE),
        (wavelengths(CENTRES, [401.0, 500.0, 600.0, 700.0]), Reason.FIELD_INVALID),
        (wavelengths() + 1e4, Reason.FIELD_INVALID),
    ],
)
def test_wavelengths_that_do_not_serve_are_refused(centres: torch.Tensor, reason: Reason) -> None:
    with pytest.raises(Failure) as caught:
        make(BandpassByWavelength, max_wavelength_nm=1000.0)(data=cube(), wavelengths=centres)
    assert caught.value.reason is reason
    assert caught.value.violations[0].subject == "inputs.wavelengths"


def test_limits_in_the_wrong_order_are_refused() -> None:
    with pytest.raises(Failure) as caught:
        make(BandpassByWavelength, min_wavelength_nm=600.0, max_wavelength_nm=500.0)
    assert caught.value.reason is Reason.GRAPH_INVALID
