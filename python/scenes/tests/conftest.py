"""Scenes and folders for the tests."""

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from catenary_scenes import Scene, SceneSpec, generate_scene


@pytest.fixture
def scene() -> Scene:
    return generate_scene(SceneSpec(seed=3, rows=12, cols=9, bands=7, anomalies=3, anomaly_pixels_max=3))


@pytest.fixture
def counts() -> NDArray[np.uint16]:
    """Raw counts [rows, cols, bands] that differ everywhere, so that a transposed axis shows."""
    return np.arange(100, 100 + 4 * 3 * 5, dtype=np.uint16).reshape(4, 3, 5)


@pytest.fixture
def real_scene() -> Callable[[str], Path]:
    """Path of a real scene by its file name; skips without the folder that CATENARY_SCENES names."""
    folder = os.environ.get("CATENARY_SCENES")
    if not folder:
        pytest.skip("set CATENARY_SCENES to the folder of the real scenes")
    return lambda name: Path(folder) / name
