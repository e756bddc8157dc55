import numpy as np
import pytest
from scipy import ndimage

from catenary_scenes import SceneInvalid
from catenary_scenes.implanting import Implant, implant_targets


def test_implanted_pixels_are_the_stated_mixture_and_the_others_untouched() -> None:
    background = np.full((30, 30, 4), 0.25)
    targets = np.full((1, 4), 1.25)
    implant = Implant(clusters=6, pixels_max=5, abundance=(0.2, 0.6))
    mask = implant_targets(background, targets, implant, np.random.default_rng(0))
    share = background - 0.25  # of x = 0.25 (1 - f) + 1.25 f
    assert (share[mask == 0] == 0).all()
    assert 0.2 - 1e-12 <= share[mask > 0].min() <= share.max() <= 0.6 + 1e-12
    assert np.ptp(share, axis=2) == pytest.approx(0)


def test_clusters_are_connected_small_and_do_not_touch() -> None:
    mask = implant_targets(
        np.zeros((30, 30, 2)),
        np.ones((2, 2)),
        Implant(clusters=9, pixels_max=6, abundance=(0.5, 0.5)),
        np.random.default_rng(1),
    )
    labels, sizes = np.unique(mask[mask > 0], return_counts=True)
    assert labels.tolist() == list(range(1, 10))
    assert sizes.max() <= 6
    assert all(ndimage.label(mask == label)[1] == 1 for label in labels)
    assert ndimage.label(mask > 0, structure=np.ones((3, 3)))[1] == 9


def test_more_clusters_than_fit_are_refused() -> None:
    implant = Implant(clusters=10, pixels_max=1, abundance=(0.5, 0.5))
    with pytest.raises(SceneInvalid, match="fewer"):
        implant_targets(np.zeros((4, 4, 2)), np.ones((1, 2)), implant, np.random.default_rng(0))
