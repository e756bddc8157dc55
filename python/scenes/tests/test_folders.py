from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from catenary_scenes import Scene, SceneInvalid, read_measurements, read_scene, write_scene


def test_a_folder_of_scene_files_holds_them_all_in_order(tmp_path: Path, scene: Scene) -> None:
    for name in ("b.npz", "a10.mat", "a2.hdr"):
        write_scene(tmp_path / name, scene)
    np.save(tmp_path / "several.npy", np.ones((2, 3, 3, 4)))
    (tmp_path / "notes.txt").write_text("passed over")
    (tmp_path / ".hidden.npz").write_bytes(b"passed over")
    names = [each.name for each in read_measurements(tmp_path)]
    assert names == ["a2", "a10", "b", "several_000", "several_001"]


def test_masks_and_references_beside_a_scene_are_no_scenes(tmp_path: Path, scene: Scene) -> None:
    write_scene(tmp_path / "a.hdr", scene)
    assert (tmp_path / "a_gt.hdr").exists() or (tmp_path / "a_mask.hdr").exists()
    (only,) = read_measurements(tmp_path)
    assert scene.mask is not None
    assert only.mask is not None
    np.testing.assert_array_equal(only.mask, scene.mask)


def test_scenes_in_folders_come_folder_by_folder(tmp_path: Path, scene: Scene) -> None:
    for name in ("day10", "day2"):
        (tmp_path / name).mkdir()
        write_scene(tmp_path / name / f"{name}.npz", scene)
    assert [each.name for each in read_measurements(tmp_path)] == ["day2", "day10"]


@pytest.mark.parametrize("content", ["nothing", "scene and image", "scene and folder", "image and folder"])
def test_a_folder_of_nothing_or_of_different_things_is_refused(tmp_path: Path, scene: Scene, content: str) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    if "scene" in content:
        write_scene(folder / "a.npz", scene)
    if "image" in content:
        Image.new("L", (3, 3)).save(folder / "a.png")
    if "and folder" in content:
        (folder / "inner").mkdir()
    with pytest.raises(SceneInvalid, match=r"folder holds \d scene files, \d images and \d folders"):
        read_scene(folder)


def test_folders_nested_too_deep_are_refused(tmp_path: Path, scene: Scene) -> None:
    deep = tmp_path.joinpath(*"abcdef")
    deep.mkdir(parents=True)
    write_scene(deep / "a.npz", scene)
    with pytest.raises(SceneInvalid, match="holds 0 scene files"):
        read_scene(tmp_path)
    assert read_scene(tmp_path.joinpath(*"abc")).cube.shape == scene.cube.shape
