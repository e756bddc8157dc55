import struct
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
import scipy.io
from numpy.typing import NDArray
from scipy.io.matlab import MatWriteError

from catenary_scenes import ProcessingMode, Scene, SceneInvalid, read_scene, write_scene

Counts = NDArray[np.uint16]


def save(
    path: Path, variables: Mapping[str, object], *, compressed: bool = False, version: Literal["4", "5"] = "5"
) -> Path:
    scipy.io.savemat(str(path), dict(variables), do_compression=compressed, format=version)
    return path


@pytest.mark.parametrize("compressed", [False, True])
def test_data_map_and_wavelengths_are_read(tmp_path: Path, counts: Counts, *, compressed: bool) -> None:
    variables = {"data": counts, "map": np.eye(4, 3), "wavelengths": np.linspace(400, 800, 5), "info": {"a": "b"}}
    scene = read_scene(save(tmp_path / "a.mat", variables, compressed=compressed))
    np.testing.assert_array_equal(scene.cube, counts)
    np.testing.assert_array_equal(scene.wavelengths, np.linspace(400, 800, 5))
    assert scene.mask is not None
    np.testing.assert_array_equal(scene.mask, np.eye(4, 3))


def test_a_big_endian_file_is_read(tmp_path: Path, counts: Counts) -> None:
    path = save(tmp_path / "a.mat", {"data": np.full((1, 1, 2), 258, np.int16)})
    little = path.read_bytes()
    words = np.frombuffer(little[128:176], "<u4").astype(">u4").tobytes()  # tags, flags and dimensions
    name = np.frombuffer(little[176:180], "<u4").astype(">u4").tobytes() + little[180:184]
    values = np.frombuffer(little[184:188], "<u4").astype(">u4").tobytes() + b"\x01\x02\x01\x02"
    path.write_bytes(little[:124] + b"\x01\x00MI" + words + name + values)
    assert read_scene(path).cube.tolist() == [[[258.0, 258.0]]]


def test_reflectance_uses_the_stored_factor(tmp_path: Path, counts: Counts) -> None:
    path = save(tmp_path / "a.mat", {"data": counts, "reflectance_scale_factor": 200.0})
    np.testing.assert_allclose(read_scene(path, ProcessingMode.REFLECTANCE).cube, counts / 200.0, rtol=1e-6)


def test_version_7_3_is_refused_with_the_way_to_save_it_again(tmp_path: Path) -> None:
    header = b"MATLAB 7.3 MAT-file".ljust(124) + b"\x00\x02IM"
    (tmp_path / "a.mat").write_bytes(header + b"\x00" * 384 + b"\x89HDF\r\n\x1a\n")
    with pytest.raises(SceneInvalid, match=r"version 7\.3 .* '-v7'\), or convert it to \.npz"):
        read_scene(tmp_path / "a.mat")


def test_version_4_is_refused(tmp_path: Path) -> None:
    path = save(tmp_path / "a.mat", {"data": np.ones((3, 4))}, version="4")
    with pytest.raises(SceneInvalid, match="version 5 to 7"):
        read_scene(path)


def test_a_cube_beyond_the_format_is_refused_with_another_one(
    tmp_path: Path, scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    def too_large(*_: object, **__: object) -> None:
        raise MatWriteError("Matrix too large to save with Matlab 5 format")

    monkeypatch.setattr(scipy.io, "savemat", too_large)  # the real one needs 4 GiB to say so
    with pytest.raises(SceneInvalid, match=r"write \.npz or ENVI"):
        write_scene(tmp_path / "a.mat", scene)


def test_a_file_without_a_cube_lists_what_it_holds(tmp_path: Path) -> None:
    path = save(tmp_path / "a.mat", {"X": np.ones((3, 4, 5)), "Y": 1.0})
    with pytest.raises(SceneInvalid, match="holds X, Y: name the cube"):
        read_scene(path)


@pytest.mark.parametrize(
    "wrong",
    [
        "text",
        {"field": 1.0},
        np.array([1.0, "a"], dtype=object),
        np.ones((2, 2, 2), np.complex128),
        scipy.sparse.eye_array(3).tocsc(),
    ],
)
def test_what_is_no_array_of_real_numbers_is_refused_before_it_is_read(tmp_path: Path, wrong: object) -> None:
    with pytest.raises(SceneInvalid, match=r"'data' in a\.mat is not an array of real numbers"):
        read_scene(save(tmp_path / "a.mat", {"data": wrong}))


@pytest.mark.parametrize("kind", [0, 8, 10, 14, 16, 119, 251, 70_000])
def test_an_unknown_element_type_is_refused_before_the_compiled_reader_sees_it(
    tmp_path: Path, counts: Counts, kind: int
) -> None:
    path = save(tmp_path / "a.mat", {"data": counts})
    content = bytearray(path.read_bytes())
    tag = content.index(b"data") + len(b"data")
    assert content[tag] == 4  # miUINT16
    content[tag : tag + 4] = kind.to_bytes(4, "little")
    path.write_bytes(content)
    with pytest.raises(SceneInvalid, match="damaged"):
        read_scene(path)


def test_a_variable_that_unfolds_out_of_proportion_is_refused_before_the_compiled_reader_sees_it(
    tmp_path: Path,
) -> None:
    """An array of zeros, packed to a third of a MB, that takes a third of a GB."""
    rows, size = 6144, 6144 * 6144 * 8
    matrix = struct.pack("<IIIIIIII", 6, 8, 6, 0, 5, 12, rows, rows) + struct.pack("<II", 1, 0)
    matrix += struct.pack("<I4s", 4 << 16 | 1, b"data") + struct.pack("<II", 9, size)
    packer = zlib.compressobj()
    packed = [packer.compress(struct.pack("<II", 14, len(matrix) + size) + matrix)]
    packed += [packer.compress(bytes(1024 * 1024)) for _ in range(size // (1024 * 1024))]
    content = b"".join([*packed, packer.flush()])
    tag = struct.pack("<II", 15, len(content))
    (tmp_path / "a.mat").write_bytes(b"MATLAB 5.0".ljust(124) + b"\x00\x01IM" + tag + content)
    with pytest.raises(SceneInvalid, match=r"'data' in a\.mat would unfold from \d+ to \d+ bytes"):
        read_scene(tmp_path / "a.mat")


def test_negative_sizes_are_refused(tmp_path: Path, counts: Counts) -> None:
    path = save(tmp_path / "a.mat", {"data": counts})
    content = bytearray(path.read_bytes())
    sizes = content.index(np.array([4, 3, 5], "<i4").tobytes())
    content[sizes : sizes + 4] = np.array([-4], "<i4").tobytes()
    path.write_bytes(content)
    with pytest.raises(SceneInvalid, match="damaged"):
        read_scene(path)
