from __future__ import annotations

import numpy as np
import pytest
import torch
from fitting import cube, make
from sklearn.covariance import EmpiricalCovariance

from catenary_server.domain.failure import Failure, Reason
from catenary_server.nodes import rx_local
from catenary_server.nodes.rx_local import RXLocal


def ring(rows: int, columns: int, place: tuple[int, int], outer: int, inner: int) -> list[tuple[int, int]]:
    """Pixels of the outer window around `place` that are not in the inner one."""
    return [
        (row, column)
        for row in range(rows)
        for column in range(columns)
        if max(abs(row - place[0]), abs(column - place[1])) <= outer // 2
        and max(abs(row - place[0]), abs(column - place[1])) > inner // 2
    ]


def pixel_by_pixel(image: np.ndarray, outer: int, inner: int, ridge: float) -> np.ndarray:
    """The detector as its papers define it: one covariance for each pixel, by scikit-learn."""
    scores = np.zeros(image.shape[:2])
    rows, columns = image.shape[:2]
    for place in [(row, column) for row in range(rows) for column in range(columns)]:
        background = np.array([image[each] for each in ring(rows, columns, place, outer, inner)], np.float64)
        fitted = EmpiricalCovariance().fit(background)
        covariance = fitted.covariance_ * len(background) / (len(background) - 1)
        covariance += np.eye(len(covariance)) * ridge * np.trace(covariance) / len(covariance)
        centred = image[place] - fitted.location_
        scores[place] = centred @ np.linalg.inv(covariance) @ centred
    return scores


@pytest.mark.parametrize(("outer", "inner"), [(5, 1), (7, 3), (31, 5)])
def test_each_pixel_is_scored_by_the_ring_around_it(outer: int, inner: int) -> None:
    data = cube(rows=9, cols=8, channels=3)
    scores = make(RXLocal, outer_window=outer, inner_window=inner, regularization=0.01)(data=data)["scores"]
    assert scores.shape == (2, 9, 8, 1)
    assert scores.dtype is torch.float32
    for image, found in zip(data.numpy(), scores[..., 0].numpy(), strict=True):
        np.testing.assert_allclose(found, pixel_by_pixel(image, outer, inner, 0.01), rtol=1e-5)


def test_wide_images_are_scored_in_tiles_with_the_same_result(monkeypatch: pytest.MonkeyPatch) -> None:
    data, node = cube(rows=6, cols=40), make(RXLocal, outer_window=5, inner_window=3)
    whole = node(data=data)["scores"]
    monkeypatch.setattr(rx_local, "_TILE_BYTES", 8 * 4**2 * 9 * (4 + 7))
    torch.testing.assert_close(node(data=data)["scores"], whole)


def test_values_far_from_zero_do_not_cancel() -> None:
    data = cube(rows=9, cols=8).double()
    near = make(RXLocal, outer_window=7, inner_window=3)(data=data)["scores"]
    far = make(RXLocal, outer_window=7, inner_window=3)(data=data + 1e6)["scores"]
    torch.testing.assert_close(near, far, rtol=1e-4, atol=1e-4)


def test_a_pixel_that_is_not_finite_spoils_no_other() -> None:
    data = cube(batch=1, rows=9, cols=8, channels=3)
    broken = data.clone()
    broken[0, 4, 4, 1] = torch.nan
    scores = make(RXLocal, outer_window=5, inner_window=1, regularization=0.01)(data=broken)["scores"][0, ..., 0]
    assert scores[4, 4].isnan()
    assert scores.isnan().sum() == 1
    background = [data[0, row, column].numpy() for row, column in ring(9, 8, (4, 5), 5, 1) if (row, column) != (4, 4)]
    covariance = np.cov(np.array(background, np.float64).T)
    covariance += np.eye(3) * 0.01 * np.trace(covariance) / 3
    centred = data[0, 4, 5].numpy() - np.mean(background, axis=0)
    np.testing.assert_allclose(scores[4, 5], centred @ np.linalg.solve(covariance, centred), rtol=1e-5)


def test_a_pixel_like_its_flat_surroundings_scores_zero_and_any_other_more() -> None:
    data = torch.ones(1, 9, 9, 3)
    data[0, 4, 4] = 2
    scores = make(RXLocal, outer_window=7, inner_window=3)(data=data)["scores"][0, ..., 0]
    assert scores[0, 0] == 0
    assert scores[4, 4] > 1e6


@pytest.mark.parametrize(
    ("params", "fault"),
    [
        ({"outer_window": 6}, "outer_window must be odd"),
        ({"inner_window": 4}, "inner_window must be odd"),
        ({"outer_window": 5, "inner_window": 5}, "inner_window must be less"),
    ],
)
def test_windows_without_a_middle_or_a_background_are_refused(params: dict[str, int], fault: str) -> None:
    with pytest.raises(Failure, match=fault) as caught:
        make(RXLocal, **params)
    assert caught.value.reason is Reason.GRAPH_INVALID


def test_an_image_within_the_inner_window_has_no_background() -> None:
    with pytest.raises(Failure) as caught:
        make(RXLocal, outer_window=25, inner_window=9)(data=cube())
    assert caught.value.reason is Reason.TENSOR_SHAPE
