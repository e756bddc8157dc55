import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from catenary_scenes import (
    ProcessingMode,
    ReaderUnavailable,
    Scene,
    SceneInvalid,
    SceneNotFound,
    read_measurements,
    read_scene,
    write_scene,
)


def rx_auc(scene: Scene) -> float:
    """ROC AUC of global RX with the pseudo-inverse of the covariance, in float64."""
    assert scene.mask is not None
    pixels = scene.cube.reshape(-1, scene.bands).astype(np.float64)
    pixels -= pixels.mean(axis=0)
    scores = np.einsum("ij,jk,ik->i", pixels, np.linalg.pinv(np.cov(pixels.T)), pixels)
    inside, outside = scores[scene.mask.ravel() > 0], np.sort(scores[scene.mask.ravel() == 0])
    return float(np.mean(np.searchsorted(outside, inside)) / len(outside))


@pytest.mark.scenes
@pytest.mark.parametrize(
    ("name", "shape", "auc"), [("san_diego.mat", (100, 100, 189), 0.9403), ("hydice_urban.mat", (100, 80, 162), 0.9763)]
)
def test_a_real_scene_reads_as_published(
    real_scene: Callable[[str], Path], name: str, shape: tuple[int, int, int], auc: float
) -> None:
    scene = read_scene(real_scene(name))
    assert scene.cube.shape == shape
    assert not scene.has_wavelengths
    assert rx_auc(scene) == pytest.approx(auc, abs=5e-4)


def test_the_case_of_the_suffix_does_not_matter(tmp_path: Path, scene: Scene) -> None:
    write_scene(tmp_path / "A.NPZ", scene)
    np.testing.assert_array_equal(read_scene(tmp_path / "A.NPZ").cube, scene.cube)


def test_a_missing_file_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(SceneNotFound, match="check the path"):
        read_scene(tmp_path / "absent.npz")


def test_a_folder_is_refused_though_its_name_ends_like_a_file(tmp_path: Path) -> None:
    folder = tmp_path / "a.npz"
    folder.mkdir()
    with pytest.raises(SceneInvalid, match="folder"):
        read_scene(folder)


@pytest.mark.parametrize("name", ["a.bil", "a.img", "a"])
def test_an_unknown_suffix_is_refused_with_the_known_ones(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"x")
    with pytest.raises(SceneInvalid, match=r"\.npz, \.npy, \.mat, \.hdr, \.cu3s"):
        read_scene(tmp_path / name)


@pytest.mark.parametrize("suffix", [".npz", ".npy", ".mat", ".hdr"])
@pytest.mark.parametrize(
    "content", [b"", b"x", b"\x93NUMPY", b"PK\x03\x04", b"ENVI\n", b"\xff" * 300, b"\x80\x04K\x01."]
)
def test_a_file_of_something_else_is_refused(tmp_path: Path, suffix: str, content: bytes) -> None:
    (tmp_path / f"a{suffix}").write_bytes(content)
    with pytest.raises(SceneInvalid, match="a" + suffix):
        read_scene(tmp_path / f"a{suffix}")


@pytest.mark.parametrize("suffix", [".npz", ".mat", ".hdr"])
def test_a_file_cut_off_anywhere_is_refused(tmp_path: Path, scene: Scene, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    # The cube alone: a MATLAB file cut between two variables is a whole file with fewer of them.
    write_scene(path, Scene("a", scene.cube, np.arange(7, dtype=np.float32), None, has_wavelengths=False))
    cut = path.with_suffix(".img") if suffix == ".hdr" else path
    whole = cut.read_bytes()
    for length in np.linspace(0, len(whole) - 1, 40, dtype=int):
        cut.write_bytes(whole[:length])
        with pytest.raises(SceneInvalid):
            read_scene(path)


@pytest.mark.parametrize("suffix", [".npz", ".mat", ".hdr"])
def test_flipped_bytes_never_raise_anything_of_the_libraries(tmp_path: Path, scene: Scene, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    write_scene(path, scene)
    whole = path.read_bytes()
    rng = np.random.default_rng(0)
    refused = 0
    for _ in range(150):
        damaged = bytearray(whole)
        for at in rng.integers(0, min(len(whole), 600), 3):
            damaged[at] = rng.integers(256)
        path.write_bytes(damaged)
        try:
            read_scene(path)
        except SceneInvalid:
            refused += 1
    assert refused > 10


def test_a_cube_that_is_larger_than_its_file_is_refused_before_memory_is_taken(tmp_path: Path) -> None:
    header = b"{'descr': '<f8', 'fortran_order': False, 'shape': (1048576, 1048576, 1024), }".ljust(117) + b"\n"
    (tmp_path / "a.npy").write_bytes(b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header)
    with pytest.raises(SceneInvalid, match="describes 9007199254740992"):
        read_scene(tmp_path / "a.npy")


def test_a_cube_that_does_not_fit_into_memory_is_refused(
    tmp_path: Path, scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    def exhausted(*_: object, **__: object) -> None:
        raise MemoryError

    write_scene(tmp_path / "a.npz", scene)
    monkeypatch.setattr(np, "load", exhausted)  # a real one needs more memory than there is
    with pytest.raises(SceneInvalid, match="does not fit into memory"):
        read_scene(tmp_path / "a.npz")


def test_raw_is_the_default_and_values_come_as_stored(tmp_path: Path, counts: NDArray[np.uint16]) -> None:
    np.savez(tmp_path / "a.npz", cube=counts, reflectance_scale_factor=10.0)
    np.testing.assert_array_equal(read_scene(tmp_path / "a.npz").cube, counts)
    np.testing.assert_array_equal(read_scene(tmp_path / "a.npz", ProcessingMode.RAW).cube, counts)


def test_reflectance_without_anything_to_scale_by_is_refused(tmp_path: Path, counts: NDArray[np.uint16]) -> None:
    np.save(tmp_path / "a.npy", counts)
    with pytest.raises(SceneInvalid, match="processing mode Raw"):
        read_scene(tmp_path / "a.npy", ProcessingMode.REFLECTANCE)


def test_a_cu3s_file_without_the_vendor_package_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "cuvis", None)
    (tmp_path / "a.cu3s").write_bytes(b"x")
    with pytest.raises(ReaderUnavailable, match=r"pip install 'catenary-scenes\[cu3s\]'"):
        read_scene(tmp_path / "a.cu3s")


def test_read_scene_is_the_first_measurement(tmp_path: Path, counts: NDArray[np.uint16]) -> None:
    np.savez(tmp_path / "a.npz", cube=np.stack([counts, counts + 1]))
    measurements = read_measurements(tmp_path / "a.npz")
    assert [measurement.name for measurement in measurements] == ["a_000", "a_001"]
    np.testing.assert_array_equal(read_scene(tmp_path / "a.npz").cube, counts)
    np.testing.assert_array_equal(measurements[1].cube, counts + 1)


def test_a_file_that_goes_away_before_its_scene_is_taken_is_refused(tmp_path: Path, scene: Scene) -> None:
    write_scene(tmp_path / "a.hdr", scene)
    measurements = read_measurements(tmp_path / "a.hdr")
    (tmp_path / "a.hdr").unlink()
    with pytest.raises(SceneInvalid, match="No such file"):
        measurements[0]
