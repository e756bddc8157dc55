from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import torch

from catenary_scenes import Scene, SceneSpec, generate_scene, read_scene
from catenary_server.engine.torch_engine import TorchEngine
from catenary_server.nodes.catalog import built_in_types

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture
def engine() -> TorchEngine:
    return TorchEngine(built_in_types(), "cpu")


@pytest.fixture(scope="session")
def small_scene() -> Scene:
    return generate_scene(SceneSpec(seed=3, rows=24, cols=24, bands=12))


@pytest.fixture(scope="session")
def real_scene() -> Callable[[str], tuple[Path, Scene]]:
    folder = os.environ.get("CATENARY_SCENES")
    if folder is None:
        pytest.skip("CATENARY_SCENES does not name a folder with the real scenes")

    def read(name: str) -> tuple[Path, Scene]:
        path = Path(folder) / f"{name}.mat"
        return path, read_scene(path)

    return read
