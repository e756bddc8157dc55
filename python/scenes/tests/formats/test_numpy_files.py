import io
import tracemalloc
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.lib import format as npy_format
from numpy.typing import NDArray

from catenary_scenes import ProcessingMode, SceneInvalid, read_measurements, read_scene

Counts = NDArray[np.uint16]


@pytest.mark.parametrize("cube_name", ["cube", "data"])
@pytest.mark.parametrize("mask_name", ["mask", "map", "gt"])
def test_arrays_are_found_under_each_of_their_names(
    tmp_path: Path, counts: Counts, cube_name: str, mask_name: str
) -> None:
    mask = np.eye(4, 3, dtype=np.uint8)
    arrays: dict[str, Any] = {cube_name: counts, mask_name: mask, "wavelengths": np.linspace(0.4, 0.8, 5)}
    np.savez_compressed(tmp_path / "a.npz", **arrays)
    scene = read_scene(tmp_path / "a.npz")
    np.testing.assert_array_equal(scene.cube, counts)
    np.testing.assert_allclose(scene.wavelengths, np.linspace(400, 800, 5), rtol=1e-6)
    assert scene.mask is not None
    np.testing.assert_array_equal(scene.mask, mask)


def test_each_of_several_cubes_takes_its_own_mask(tmp_path: Path, counts: Counts) -> None:
    masks = np.stack([np.zeros((4, 3), np.int8), np.ones((4, 3), np.int8)])
    np.savez(tmp_path / "a.npz", cube=np.stack([counts, counts]), mask=masks)
    read = [scene.mask for scene in read_measurements(tmp_path / "a.npz")]
    assert [None if mask is None else int(mask.sum()) for mask in read] == [0, 12]


def test_one_mask_holds_for_several_cubes(tmp_path: Path, counts: Counts) -> None:
    np.savez(tmp_path / "a.npz", cube=np.stack([counts] * 3), mask=np.ones((4, 3), np.int8))
    read = [scene.mask for scene in read_measurements(tmp_path / "a.npz")]
    assert [None if mask is None else int(mask.sum()) for mask in read] == [12, 12, 12]


def test_reflectance_uses_the_stored_references(tmp_path: Path, counts: Counts) -> None:
    np.savez(tmp_path / "a.npz", cube=counts, white=np.full(5, 300), dark=np.full(5, 100))
    cube = read_scene(tmp_path / "a.npz", ProcessingMode.REFLECTANCE).cube
    np.testing.assert_allclose(cube, (counts - 100.0) / 200.0, rtol=1e-6)


def test_reflectance_uses_the_stored_factor(tmp_path: Path, counts: Counts) -> None:
    np.savez(tmp_path / "a.npz", cube=counts, reflectance_scale_factor=200)
    cube = read_scene(tmp_path / "a.npz", ProcessingMode.REFLECTANCE).cube
    np.testing.assert_allclose(cube, counts / 200.0, rtol=1e-6)


def test_an_npy_file_is_a_cube_alone(tmp_path: Path, counts: Counts) -> None:
    np.save(tmp_path / "a.npy", counts)
    scene = read_scene(tmp_path / "a.npy")
    np.testing.assert_array_equal(scene.cube, counts)
    assert (scene.mask, scene.has_wavelengths) == (None, False)


def test_an_archive_without_a_cube_lists_what_it_holds(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", image=np.ones((2, 2, 2)), mask=np.ones((2, 2)))
    with pytest.raises(SceneInvalid, match=r"holds image, mask: name the cube .* 'cube' or 'data'"):
        read_scene(tmp_path / "a.npz")


@pytest.mark.parametrize("shape", [(4,), (4, 3), (4, 3, 0), (0, 4, 3, 5), (1, 1, 4, 3, 5)])
def test_a_cube_of_another_rank_or_without_values_is_refused(tmp_path: Path, shape: tuple[int, ...]) -> None:
    np.savez(tmp_path / "a.npz", cube=np.ones(shape))
    with pytest.raises(SceneInvalid, match="has shape"):
        read_scene(tmp_path / "a.npz")


def test_python_objects_are_refused_and_never_unpickled(tmp_path: Path) -> None:
    marker = tmp_path / "ran"

    class Harmful:
        def __reduce__(self) -> tuple[object, ...]:
            return (marker.touch, ())

    for path in (tmp_path / "a.npz", tmp_path / "a.npy"):
        objects = np.array([Harmful()], dtype=object)
        np.savez(path, cube=objects) if path.suffix == ".npz" else np.save(path, objects)
        with pytest.raises(SceneInvalid, match="Python objects"):
            read_scene(path)
    assert not marker.exists()


def test_an_archive_and_an_array_under_each_others_suffix_are_refused(tmp_path: Path, counts: Counts) -> None:
    with (tmp_path / "a.npy").open("wb") as file:
        np.savez(file, cube=counts)
    with (tmp_path / "a.npz").open("wb") as file:
        np.save(file, counts)
    with pytest.raises(SceneInvalid, match=r"no \.npy file"):
        read_scene(tmp_path / "a.npy")
    with pytest.raises(SceneInvalid, match=r"no \.npz archive"):
        read_scene(tmp_path / "a.npz")


@pytest.mark.parametrize("factor", [np.ones(2), np.array("x"), np.array(0)])
def test_a_scale_factor_that_is_no_positive_number_is_refused(
    tmp_path: Path, counts: Counts, factor: NDArray[np.generic]
) -> None:
    np.savez(tmp_path / "a.npz", cube=counts, reflectance_scale_factor=factor)
    with pytest.raises(SceneInvalid, match="factor"):
        read_scene(tmp_path / "a.npz", ProcessingMode.REFLECTANCE)


def test_an_archive_that_unfolds_out_of_proportion_is_refused_before_memory_is_taken(tmp_path: Path) -> None:
    """Zeros pack to a thousandth: a file of a third of a MB that takes a third of a GB."""
    with (
        zipfile.ZipFile(tmp_path / "a.npz", "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("cube.npy", "w") as cube,
    ):
        header = {"descr": "<f8", "fortran_order": False, "shape": (1024, 1024, 40)}
        npy_format.write_array_header_1_0(cube, header)
        for _ in range(320):
            cube.write(bytes(1024 * 1024))
    tracemalloc.start()
    try:
        with pytest.raises(SceneInvalid, match=r"would unfold from .* bytes.* store it uncompressed"):
            read_scene(tmp_path / "a.npz")
        assert tracemalloc.get_traced_memory()[1] < 10_000_000
    finally:
        tracemalloc.stop()


def test_an_archive_that_lies_about_its_sizes_is_refused(tmp_path: Path) -> None:
    header = io.BytesIO()
    shape = {"descr": "<f8", "fortran_order": False, "shape": (4096, 4096, 1024)}
    npy_format.write_array_header_1_0(header, shape)
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("cube.npy", header.getvalue() + bytes(100))
    with pytest.raises(SceneInvalid, match="would unfold"):
        read_scene(tmp_path / "a.npz")


def test_a_member_that_is_no_array_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("cube", b"text")
    with pytest.raises(SceneInvalid, match="cannot be read"):
        read_scene(tmp_path / "a.npz")


def test_a_large_mask_of_zeros_is_no_bomb(tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / "a.npz", cube=np.ones((1500, 1500, 2), np.uint8), mask=np.zeros((1500, 1500), int))
    mask = read_scene(tmp_path / "a.npz").mask
    assert mask is not None
    assert not mask.any()
