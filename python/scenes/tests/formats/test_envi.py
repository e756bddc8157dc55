from pathlib import Path

import numpy as np
import pytest
import scipy.io
from numpy.typing import NDArray

from catenary_scenes import ProcessingMode, SceneInvalid, read_scene

Counts = NDArray[np.uint16]
AXES = {"bip": (0, 1, 2), "bil": (0, 2, 1), "bsq": (2, 0, 1)}


def header(rows: int, cols: int, bands: int, *, extra: str = "", interleave: str = "bip", order: int = 0) -> str:
    return (
        f"ENVI\nsamples = {cols}\nlines = {rows}\nbands = {bands}\nheader offset = 0\nfile type = ENVI Standard\n"
        f"data type = 12\ninterleave = {interleave}\nbyte order = {order}\n{extra}\n"
    )


def save(path: Path, counts: Counts, *, extra: str = "", interleave: str = "bip", order: int = 0) -> Path:
    rows, cols, bands = counts.shape
    path.write_text(header(rows, cols, bands, extra=extra, interleave=interleave, order=order))
    dtype = ">u2" if order else "<u2"
    path.with_suffix(".img").write_bytes(counts.transpose(AXES[interleave]).astype(dtype).tobytes())
    return path


@pytest.mark.parametrize("interleave", ["bip", "bil", "bsq"])
@pytest.mark.parametrize("order", [0, 1])
def test_every_interleave_and_byte_order_reads_alike(
    tmp_path: Path, counts: Counts, interleave: str, order: int
) -> None:
    scene = read_scene(save(tmp_path / "a.hdr", counts, interleave=interleave, order=order))
    np.testing.assert_array_equal(scene.cube, counts)
    assert (scene.mask, scene.has_wavelengths) == (None, False)


def test_wavelengths_are_converted_and_field_names_with_capitals_are_understood(tmp_path: Path, counts: Counts) -> None:
    extra = "Wavelength Units = Micrometers\nwavelength = {0.4, 0.5,\n 0.6, 0.7, 0.8}"
    scene = read_scene(save(tmp_path / "a.hdr", counts, extra=extra))
    np.testing.assert_allclose(scene.wavelengths, [400, 500, 600, 700, 800], rtol=1e-6)


def test_raw_ignores_the_scale_factor_and_reflectance_divides_by_it(tmp_path: Path, counts: Counts) -> None:
    path = save(tmp_path / "a.hdr", counts, extra="reflectance scale factor = 200")
    np.testing.assert_array_equal(read_scene(path).cube, counts)
    np.testing.assert_allclose(read_scene(path, ProcessingMode.REFLECTANCE).cube, counts / 200.0, rtol=1e-6)


@pytest.mark.parametrize(("white", "dark"), [("WHITEREF_a.hdr", "DARKREF_a.hdr"), ("a_white.hdr", "a_dark.hdr")])
def test_references_beside_the_file_are_averaged_over_their_lines(
    tmp_path: Path, counts: Counts, white: str, dark: str
) -> None:
    path = save(tmp_path / "a.hdr", counts, extra="reflectance scale factor = 9999")
    lines = np.array([290, 310], np.uint16)[:, None, None] * np.ones((1, 3, 5), np.uint16)
    save(tmp_path / white, lines)
    save(tmp_path / dark, np.full((1, 3, 5), 100, np.uint16))
    cube = read_scene(path, ProcessingMode.REFLECTANCE).cube
    np.testing.assert_allclose(cube, (counts - 100.0) / 200.0, rtol=1e-6)


def test_reflectance_without_references_or_factor_is_refused(tmp_path: Path, counts: Counts) -> None:
    with pytest.raises(SceneInvalid, match="neither a white reference nor a reflectance scale factor"):
        read_scene(save(tmp_path / "a.hdr", counts), ProcessingMode.REFLECTANCE)


@pytest.mark.parametrize("name", ["a_gt.hdr", "a_mask.hdr", "a_mask.npy", "a_mask.npz", "a_mask.mat"])
def test_a_mask_beside_the_file_is_its_ground_truth(tmp_path: Path, counts: Counts, name: str) -> None:
    path = save(tmp_path / "a.hdr", counts)
    mask = np.eye(4, 3, dtype=np.uint16)
    if name.endswith(".hdr"):
        save(tmp_path / name, mask[:, :, None])
    elif name.endswith(".npy"):
        np.save(tmp_path / name, mask)
    elif name.endswith(".npz"):
        np.savez(tmp_path / name, mask=mask)
    else:
        scipy.io.savemat(str(tmp_path / name), {"map": mask})
    read = read_scene(path).mask
    assert read is not None
    np.testing.assert_array_equal(read, mask)


def test_a_mask_of_another_size_or_without_a_mask_in_it_is_refused(tmp_path: Path, counts: Counts) -> None:
    path = save(tmp_path / "a.hdr", counts)
    np.savez(tmp_path / "a_mask.npz", labels=np.eye(4, 3))
    with pytest.raises(SceneInvalid, match="name the mask 'mask'"):
        read_scene(path)
    np.savez(tmp_path / "a_mask.npz", mask=np.eye(3, 4))
    with pytest.raises(SceneInvalid, match="4 x 3 pixels"):
        read_scene(path)


def test_pixels_without_data_are_refused(tmp_path: Path, counts: Counts) -> None:
    counts[0, 0, 0] = 65535  # one saturated band is data
    path = save(tmp_path / "a.hdr", counts, extra="data ignore value = 65535")
    np.testing.assert_array_equal(read_scene(path).cube, counts)
    counts[2, 1, :] = 65535
    save(path, counts, extra="data ignore value = 65535")
    with pytest.raises(SceneInvalid, match="1 pixels without data"):
        read_scene(path)


def test_a_scene_stays_as_it_was_when_its_file_changes(tmp_path: Path, counts: Counts) -> None:
    path = save(tmp_path / "a.hdr", counts)
    scene = read_scene(path)
    save(path, counts * 0)
    np.testing.assert_array_equal(scene.cube, counts)


def test_a_header_without_its_data_file_says_which_one_is_missing(tmp_path: Path, counts: Counts) -> None:
    path = save(tmp_path / "a.hdr", counts)
    path.with_suffix(".img").unlink()
    with pytest.raises(SceneInvalid, match=r"a\.img"):
        read_scene(path)


def test_a_data_file_that_is_too_short_is_refused(tmp_path: Path, counts: Counts) -> None:
    path = save(tmp_path / "a.hdr", counts)
    path.with_suffix(".img").write_bytes(b"\0" * 119)
    with pytest.raises(SceneInvalid, match=r"a\.img has 119 bytes, a\.hdr describes 120"):
        read_scene(path)


@pytest.mark.parametrize(
    ("field", "replacement"),
    [
        ("samples = 3", "samples = many"),
        ("samples = 3", "samples = {3}"),
        ("samples = 3", "samples = 0"),
        ("samples = 3", "samples = -3"),
        ("lines = 4", ""),
        ("header offset = 0", "header offset = -8"),
        ("data type = 12", "data type = 99"),
        ("data type = 12", "data type = 6"),
        ("interleave = bip", "interleave = {bip}"),
        ("byte order = 0", "major frame offsets = {1, 1}"),
        ("ENVI Standard", "ENVI Spectral Library"),
        ("byte order = 0", "byte order = 0\nwavelength = {1, 2, x, 4, 5}"),
        ("byte order = 0", "byte order = 0\nwavelength = {1, 2}"),
        ("byte order = 0", "byte order = 0\nwavelength = {1, 2, 3"),
        ("byte order = 0", "byte order = 0\nreflectance scale factor = lots"),
    ],
)
def test_a_header_that_describes_no_scene_is_refused(
    tmp_path: Path, counts: Counts, field: str, replacement: str
) -> None:
    path = save(tmp_path / "a.hdr", counts)
    text = path.read_text()
    assert field in text
    path.write_text(text.replace(field, replacement))
    with pytest.raises(SceneInvalid, match=r"a\.(hdr|img)"):
        read_scene(path)
