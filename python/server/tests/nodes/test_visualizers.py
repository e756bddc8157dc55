from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from fitting import cube, make
from matplotlib import image
from matplotlib.figure import Figure

from catenary_server.domain.failure import Failure, Reason
from catenary_server.nodes.anomaly_heatmap import AnomalyHeatmap
from catenary_server.nodes.false_color_rgb import FalseColorRGB
from catenary_server.nodes.mask_overlay import MaskOverlay

if TYPE_CHECKING:
    from pathlib import Path

    from catenary_server.nodes.visualizer import Visualizer


def pictures(folder: Path) -> list[str]:
    return sorted(place.name for place in folder.iterdir())


def test_each_image_of_a_batch_becomes_a_picture(tmp_path: Path) -> None:
    make(AnomalyHeatmap, output_dir=str(tmp_path))(scores=torch.rand(3, 6, 5, 1))
    assert pictures(tmp_path) == [f"anomaly_heatmap_{index:04d}.png" for index in range(3)]
    assert image.imread(tmp_path / "anomaly_heatmap_0000.png").shape == (600, 720, 4)


@pytest.mark.parametrize("value", [0.0, float("nan")])
def test_scores_without_contrast_can_be_drawn(tmp_path: Path, value: float) -> None:
    make(AnomalyHeatmap, output_dir=str(tmp_path))(scores=torch.full((1, 6, 5, 1), value))
    assert len(pictures(tmp_path)) == 1


def test_the_newest_pictures_replace_the_oldest(tmp_path: Path) -> None:
    node = make(AnomalyHeatmap, output_dir=str(tmp_path), max_files=2)
    for _ in range(3):
        node(scores=torch.rand(1, 6, 5, 1))
    assert len(pictures(tmp_path)) == 2


@pytest.mark.parametrize(
    ("channels", "centres", "bands"),
    [
        (6, [400, 460, 540, 640, 700, 800], [3, 2, 1]),
        (9, None, [6, 4, 2]),
        (9, list(range(9)), [6, 4, 2]),
        (3, [400, 500, 600], [0, 1, 2]),
    ],
)
def test_false_colour_takes_the_nearest_bands(
    tmp_path: Path, channels: int, centres: list[int] | None, bands: list[int]
) -> None:
    node = make(FalseColorRGB, output_dir=str(tmp_path))
    known = None if centres is None else np.array(centres, np.float32)
    assert node._bands(channels, known) == bands
    wavelengths = None if known is None else torch.from_numpy(known)[None]
    node(data=cube(batch=1, channels=channels), wavelengths=wavelengths)
    assert len(pictures(tmp_path)) == 1


def drawn(node: Visualizer[Any], *images: np.ndarray) -> np.ndarray:
    """What a node shows of these images."""
    figure = Figure()
    axes = figure.add_subplot()
    node.draw(figure, axes, *images)
    shown: np.ndarray = np.asarray(axes.images[0].get_array())
    return shown


def test_a_heat_map_shows_the_scores_up_to_the_percentile(tmp_path: Path) -> None:
    scores = np.arange(100.0).reshape(10, 10)
    figure = Figure()
    axes = figure.add_subplot()
    make(AnomalyHeatmap, output_dir=str(tmp_path), percentile=90.0).draw(figure, axes, scores)
    assert axes.images[0].get_clim() == (0, pytest.approx(np.percentile(scores, 90)))
    np.testing.assert_array_equal(np.asarray(axes.images[0].get_array()), scores)


def test_false_colour_is_stretched_between_percentiles_band_by_band(tmp_path: Path) -> None:
    bands = np.random.default_rng(0).normal(5, 2, (20, 30, 3))
    found = drawn(make(FalseColorRGB, output_dir=str(tmp_path)), bands)
    for band in range(3):
        low, high = np.percentile(bands[..., band], [2, 98])
        np.testing.assert_allclose(found[..., band], ((bands[..., band] - low) / (high - low)).clip(0, 1))


def test_an_overlay_colours_what_is_found_missed_and_false(tmp_path: Path) -> None:
    brightness = np.linspace(0, 1, 4).reshape(2, 2)
    decided, true = np.array([[True, True], [False, False]]), np.array([[True, False], [True, False]])
    found = drawn(make(MaskOverlay, output_dir=str(tmp_path)), brightness, decided, true)
    strongest = found.argmax(axis=-1)
    assert (strongest[0, 0], strongest[0, 1], strongest[1, 0]) == (1, 0, 2)
    assert len(set(found[1, 1])) == 1


def test_an_overlay_can_do_without_ground_truth(tmp_path: Path) -> None:
    node, decisions = make(MaskOverlay, output_dir=str(tmp_path)), torch.ones(1, 6, 5, 1, dtype=torch.bool)
    node(data=cube(batch=1), decisions=decisions)
    node(data=cube(batch=1), decisions=decisions, targets=torch.ones(1, 6, 5, dtype=torch.int32))
    first, second = (image.imread(tmp_path / name) for name in pictures(tmp_path))
    assert not np.array_equal(first, second)


def test_a_folder_that_cannot_be_made_is_reported_without_its_place(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(Failure) as caught:
        make(AnomalyHeatmap, output_dir=str(tmp_path / "file" / "folder"))(scores=torch.rand(1, 6, 5, 1))
    assert caught.value.reason is Reason.STORAGE_IO
    assert str(tmp_path) not in caught.value.message
