import pytest

from catenary_scenes import Measurements, Scene
from catenary_scenes.measurements import measurement_name


def test_a_scene_is_loaded_when_it_is_taken(scene: Scene) -> None:
    taken: list[int] = []

    def load(index: int) -> Scene:
        taken.append(index)
        return scene

    measurements = Measurements(5, load)
    assert len(measurements) == 5
    assert taken == []
    assert measurements[-1] is scene
    assert list(measurements[1:4:2]) == [scene, scene]
    assert taken == [4, 1, 3]
    with pytest.raises(IndexError):
        measurements[5]


def test_only_several_measurements_are_numbered() -> None:
    assert measurement_name("Demo", 0, 1) == "Demo"
    assert measurement_name("Demo", 7, 12) == "Demo_007"
