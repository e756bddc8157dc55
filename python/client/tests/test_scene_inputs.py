from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np

from catenary_client.results import PortSpec
from catenary_client.scene_inputs import scene_inputs

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclasses.dataclass
class Scene:
    cube: NDArray[Any]
    wavelengths: NDArray[Any]
    has_wavelengths: bool
    mask: NDArray[Any] | None


SCENE = Scene(
    cube=np.arange(24, dtype=np.float32).reshape(2, 4, 3),
    wavelengths=np.array([400.4, 500.0, 600.0], np.float32),
    has_wavelengths=True,
    mask=np.ones((2, 4), np.int32),
)
CUBE = PortSpec("cube", (-1, -1, -1, -1), "float32", required=True)


def test_a_cube_is_a_batch_of_one() -> None:
    inputs = scene_inputs(SCENE, {"cube": CUBE})
    assert list(inputs) == ["cube"]
    assert inputs["cube"].shape == (1, 2, 4, 3)
    assert np.shares_memory(inputs["cube"], SCENE.cube)


def test_each_input_has_type_and_rank_of_its_port() -> None:
    ports = {
        "cube": PortSpec("cube", (-1, -1, -1, -1), "uint16", required=True),
        "wavelengths": PortSpec("wavelengths", (-1, -1), "int32", required=False),
        "mask": PortSpec("mask", (-1, -1, -1), "int32", required=True),
    }
    inputs = scene_inputs(SCENE, ports)
    assert {name: (array.dtype.name, array.shape) for name, array in inputs.items()} == {
        "cube": ("uint16", (1, 2, 4, 3)),
        "wavelengths": ("int32", (1, 3)),
        "mask": ("int32", (1, 2, 4)),
    }


def test_truth_is_sent_only_where_it_is_required() -> None:
    ports = {"cube": CUBE, "mask": PortSpec("mask", (-1, -1, -1), "int32", required=False)}
    assert "mask" not in scene_inputs(SCENE, ports)


def test_unknown_wavelengths_are_not_sent() -> None:
    ports = {"cube": CUBE, "wavelengths": PortSpec("wavelengths", (-1,), "float32", required=False)}
    assert "wavelengths" in scene_inputs(SCENE, ports)
    assert "wavelengths" not in scene_inputs(dataclasses.replace(SCENE, has_wavelengths=False), ports)
