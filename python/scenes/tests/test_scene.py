from typing import Any

import numpy as np
import pytest

from catenary_scenes import ProcessingMode, Scene, SceneError, SceneInvalid


def make(**changes: object) -> Scene:
    parts: dict[str, Any] = {
        "name": "a",
        "cube": np.zeros((2, 3, 4), np.float32),
        "wavelengths": np.arange(4, dtype=np.float32),
        "mask": None,
        "has_wavelengths": False,
    }
    return Scene(**(parts | changes))


@pytest.mark.parametrize(
    ("spelled", "mode"),
    [("Raw", ProcessingMode.RAW), ("raw", ProcessingMode.RAW), ("REFLECTANCE", ProcessingMode.REFLECTANCE)],
)
def test_a_processing_mode_is_parsed_in_any_case(spelled: str, mode: ProcessingMode) -> None:
    assert ProcessingMode(spelled) is mode


def test_an_unknown_processing_mode_is_refused() -> None:
    with pytest.raises(ValueError, match="Radiance"):
        ProcessingMode("Radiance")


def test_a_scene_knows_its_rows_cols_and_bands() -> None:
    scene = make()
    assert (scene.rows, scene.cols, scene.bands) == (2, 3, 4)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"cube": np.zeros((2, 3, 4))}, "float64"),
        ({"cube": np.zeros((2, 3), np.float32)}, "2-dimensional"),
        ({"cube": np.zeros((0, 3, 4), np.float32)}, "empty"),
        ({"cube": np.zeros((4, 3, 2), np.float32).T}, "C-contiguous"),
        ({"wavelengths": np.arange(4)}, "int64"),
        ({"wavelengths": np.arange(3, dtype=np.float32)}, "3 wavelengths for 4 bands"),
        ({"mask": np.zeros((2, 3))}, "mask"),
        ({"mask": np.zeros((3, 2), np.int32)}, "one label for each pixel"),
    ],
)
def test_a_scene_refuses_arrays_of_another_kind(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(SceneInvalid, match=message) as refused:
        make(**changes)
    assert isinstance(refused.value, SceneError)
    assert isinstance(refused.value, ValueError)
