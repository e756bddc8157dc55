from pathlib import Path

import numpy as np
import pytest

from catenary_scenes import WRITABLE_SUFFIXES, Scene, SceneInvalid, SceneNotFound, read_scene, write_scene


def without_extras(scene: Scene) -> Scene:
    bands = np.arange(scene.bands, dtype=np.float32)
    return Scene(name="b", cube=scene.cube * 2, wavelengths=bands, mask=None, has_wavelengths=False)


def assert_same(read: Scene, written: Scene) -> None:
    np.testing.assert_array_equal(read.cube, written.cube)
    np.testing.assert_array_equal(read.wavelengths, written.wavelengths)
    assert read.has_wavelengths == written.has_wavelengths
    assert (read.mask is None) == (written.mask is None)
    if read.mask is not None and written.mask is not None:
        np.testing.assert_array_equal(read.mask, written.mask)


@pytest.mark.parametrize("suffix", WRITABLE_SUFFIXES)
def test_a_scene_comes_back_bit_for_bit(tmp_path: Path, scene: Scene, suffix: str) -> None:
    write_scene(tmp_path / f"flight_7{suffix}", scene)
    read = read_scene(tmp_path / f"flight_7{suffix}")
    assert read.name == "flight_7"
    assert_same(read, scene)


@pytest.mark.parametrize("suffix", WRITABLE_SUFFIXES)
def test_a_scene_is_replaced_with_all_that_belonged_to_it(tmp_path: Path, scene: Scene, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    write_scene(path, scene)
    write_scene(path, without_extras(scene))
    assert_same(read_scene(path), without_extras(scene))


@pytest.mark.parametrize("suffix", WRITABLE_SUFFIXES)
def test_nothing_but_the_scene_is_left_in_the_folder(tmp_path: Path, scene: Scene, suffix: str) -> None:
    write_scene(tmp_path / f"a{suffix}", scene)
    expected = {"a.hdr", "a.img", "a_gt.hdr", "a_gt.img"} if suffix == ".hdr" else {f"a{suffix}"}
    assert {path.name for path in tmp_path.iterdir()} == expected


@pytest.mark.parametrize("suffix", WRITABLE_SUFFIXES)
def test_a_write_that_fails_leaves_the_old_file_as_it_was(
    tmp_path: Path, scene: Scene, suffix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / f"a{suffix}"
    write_scene(path, scene)
    before = {entry.name: entry.read_bytes() for entry in tmp_path.iterdir()}

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_scene(path, without_extras(scene))
    assert {entry.name: entry.read_bytes() for entry in tmp_path.iterdir()} == before


def test_another_suffix_is_refused(tmp_path: Path, scene: Scene) -> None:
    with pytest.raises(SceneInvalid, match=r"\.npz, \.mat, \.hdr"):
        write_scene(tmp_path / "a.tif", scene)


def test_a_missing_folder_is_not_found(tmp_path: Path, scene: Scene) -> None:
    with pytest.raises(SceneNotFound, match="create it"):
        write_scene(tmp_path / "absent" / "a.npz", scene)
