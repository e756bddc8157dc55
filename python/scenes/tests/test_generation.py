from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.cluster.vq import kmeans2
from scipy.stats import rankdata

from catenary_scenes import Scene, SceneInvalid, SceneSpec, generate_scene

Detector: TypeAlias = Callable[[NDArray[np.float64]], NDArray[np.float64]]

SMALL = {"rows": 24, "cols": 20, "bands": 12, "anomalies": 4}


def mahalanobis(pixels: NDArray[np.float64]) -> NDArray[np.float64]:
    """Global RX score of each pixel (Reed and Yu 1990)."""
    centred = pixels - pixels.mean(axis=0)
    return np.asarray(np.einsum("ij,jk,ik->i", centred, np.linalg.pinv(np.cov(pixels.T)), centred))


def cluster_mahalanobis(pixels: NDArray[np.float64], clusters: int = 6) -> NDArray[np.float64]:
    """RX within the k-means cluster of each pixel: the simplest detector that knows of several background modes."""
    centred = pixels - pixels.mean(axis=0)
    _, _, axes = np.linalg.svd(centred, full_matrices=False)
    _, labels = kmeans2(centred @ axes[:6].T, clusters, minit="++", rng=0)
    scores = np.full(len(pixels), float(pixels.shape[1]))
    for label in range(clusters):
        members = labels == label
        if members.sum() > 2 * pixels.shape[1]:
            scores[members] = mahalanobis(pixels[members])
    return scores


def auc(scores: NDArray[np.float64], anomalous: NDArray[np.bool_]) -> float:
    positives = int(anomalous.sum())
    ranks = float(rankdata(scores)[anomalous].sum())
    return (ranks - positives * (positives + 1) / 2) / (positives * (len(scores) - positives))


def mask_of(scene: Scene) -> NDArray[np.int32]:
    assert scene.mask is not None
    return scene.mask


def pixels_and_truth(scene: Scene) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    return scene.cube.reshape(-1, scene.bands).astype(np.float64), mask_of(scene).ravel() > 0


def test_the_same_spec_gives_the_same_scene() -> None:
    first, second = (generate_scene(SceneSpec(seed=5, **SMALL)) for _ in range(2))
    np.testing.assert_array_equal(first.cube, second.cube)
    np.testing.assert_array_equal(mask_of(first), mask_of(second))


def test_another_seed_gives_another_scene() -> None:
    first, second = (generate_scene(SceneSpec(seed=seed, **SMALL)) for seed in (0, 1))
    assert not np.array_equal(first.cube, second.cube)
    assert not np.array_equal(mask_of(first), mask_of(second))


def test_the_scene_has_the_shape_wavelengths_and_truth_of_its_spec() -> None:
    scene = generate_scene(SceneSpec(rows=10, cols=14, bands=31, wavelength_max_nm=2400.0, anomalies=3))
    assert scene.cube.shape == (10, 14, 31)
    assert scene.has_wavelengths
    assert (scene.wavelengths[0], scene.wavelengths[-1]) == (400.0, 2400.0)
    assert np.unique(mask_of(scene)).tolist() == [0, 1, 2, 3]


def test_more_noise_leaves_the_truth_where_it_is() -> None:
    quiet, loud = (generate_scene(SceneSpec(snr_db=snr, **SMALL)) for snr in (60.0, 10.0))
    np.testing.assert_array_equal(mask_of(quiet), mask_of(loud))
    assert np.diff(loud.cube, axis=2).std() > 2 * np.diff(quiet.cube, axis=2).std()


def test_a_scene_without_anomalies_has_an_empty_mask() -> None:
    scene = generate_scene(SceneSpec(**(SMALL | {"anomalies": 0})))
    assert not mask_of(scene).any()


def test_values_are_reflectances() -> None:
    cube = generate_scene(SceneSpec()).cube
    assert cube.min() > -0.1
    assert 0.05 < cube.mean() < 0.5
    assert cube.max() < 1.2


@pytest.mark.parametrize("seed", range(5))
def test_rx_finds_most_anomalies_but_not_all(seed: int) -> None:
    assert 0.80 < auc(*rx_scored(seed, mahalanobis)) < 0.98


@pytest.mark.parametrize("seed", range(5))
def test_a_detector_that_knows_of_several_modes_beats_rx(seed: int) -> None:
    assert auc(*rx_scored(seed, cluster_mahalanobis)) > auc(*rx_scored(seed, mahalanobis))


def rx_scored(seed: int, detector: Detector) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    pixels, truth = pixels_and_truth(generate_scene(SceneSpec(seed=seed)))
    return detector(pixels), truth


@pytest.mark.parametrize(
    "wrong",
    [
        {"seed": -1},
        {"rows": 0},
        {"cols": 100_000},
        {"bands": 1},
        {"wavelength_min_nm": 100.0},
        {"wavelength_min_nm": 900.0, "wavelength_max_nm": 800.0},
        {"wavelength_max_nm": 3000.0},
        {"endmembers": 1},
        {"endmembers": 9},
        {"anomalies": -1},
        {"anomaly_pixels_max": 0},
        {"abundance_min": 0.0},
        {"abundance_min": 0.6, "abundance_max": 0.4},
        {"abundance_max": 1.5},
        {"patch_pixels": 0.0},
        {"shade": 0.9},
        {"snr_db": float("nan")},
    ],
)
def test_a_spec_out_of_range_is_refused_by_the_name_of_its_field(wrong: dict[str, Any]) -> None:
    with pytest.raises(SceneInvalid, match=f"({'|'.join(wrong)}) = .* out of range"):
        SceneSpec(**wrong)
