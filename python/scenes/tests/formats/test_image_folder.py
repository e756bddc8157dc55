import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from catenary_scenes import ProcessingMode, SceneInvalid, read_measurements, read_scene

Counts = NDArray[np.uint16]


def save_bands(folder: Path, cube: NDArray[np.generic], suffix: str = ".png") -> Path:
    """One image for each band, named by its number without leading zeros."""
    folder.mkdir(exist_ok=True)
    for band in range(cube.shape[2]):
        Image.fromarray(cube[:, :, band]).save(folder / f"band_{band + 1}{suffix}")
    return folder


@pytest.mark.parametrize("suffix", [".png", ".tif", ".TIFF"])
def test_the_bands_come_in_the_order_of_their_numbers(tmp_path: Path, suffix: str) -> None:
    cube = np.arange(4 * 3 * 12, dtype=np.uint16).reshape(4, 3, 12) * 300
    scene = read_scene(save_bands(tmp_path / "field", cube, suffix))
    np.testing.assert_array_equal(scene.cube, cube)
    assert (scene.name, scene.mask, scene.has_wavelengths) == ("field", None, False)


def test_grey_values_of_every_depth_are_read_as_stored(tmp_path: Path) -> None:
    tmp_path.joinpath("a").mkdir()
    values = np.array([[0, 1], [2, 3]])
    Image.fromarray(values.astype(np.uint8)).save(tmp_path / "a" / "1.png")
    Image.fromarray(values.astype(np.uint16)).save(tmp_path / "a" / "2.png")
    Image.fromarray(values.astype(np.int32) - 5).save(tmp_path / "a" / "3.tif")
    Image.fromarray(values.astype(np.float32) / 8).save(tmp_path / "a" / "4.tif")
    Image.fromarray(values > 1).save(tmp_path / "a" / "5.png")
    expected = np.stack([values, values, values - 5, values / 8, values > 1], axis=2)
    np.testing.assert_array_equal(read_scene(tmp_path / "a").cube, expected)


def test_a_colour_image_gives_three_bands(tmp_path: Path) -> None:
    colours = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)
    Image.fromarray(colours).save(tmp_path / "rgb.png")
    np.testing.assert_array_equal(read_scene(tmp_path).cube, colours)


def test_each_page_of_a_tiff_file_is_a_band(tmp_path: Path, counts: Counts) -> None:
    pages = [Image.fromarray(counts[:, :, band]) for band in range(counts.shape[2])]
    pages[0].save(tmp_path / "cube.tif", save_all=True, append_images=pages[1:])
    np.testing.assert_array_equal(read_scene(tmp_path).cube, counts)


def test_one_image_with_all_bands_needs_no_folder(tmp_path: Path, counts: Counts) -> None:
    pages = [Image.fromarray(np.ascontiguousarray(counts[..., band])) for band in range(counts.shape[2])]
    pages[0].save(tmp_path / "scene.TIF", save_all=True, append_images=pages[1:])
    scene = read_scene(tmp_path / "scene.TIF")
    np.testing.assert_array_equal(scene.cube, counts)
    assert (scene.mask, scene.has_wavelengths) == (None, False)


def test_a_jpeg_image_is_close_to_what_was_stored(tmp_path: Path) -> None:
    smooth = np.add.outer(np.arange(32), np.arange(32)).astype(np.uint8)
    Image.fromarray(smooth).save(tmp_path / "1.jpg", quality=95)
    np.testing.assert_allclose(read_scene(tmp_path).cube[:, :, 0], smooth, atol=4)


@pytest.mark.parametrize("name", ["mask.png", "gt.png", "MASK.tif"])
def test_an_image_of_labels_is_the_ground_truth(tmp_path: Path, counts: Counts, name: str) -> None:
    labels = np.eye(4, 3, dtype=np.uint8) * 2
    Image.fromarray(labels).save(save_bands(tmp_path, counts) / name)
    scene = read_scene(tmp_path)
    assert scene.bands == 5
    assert scene.mask is not None
    np.testing.assert_array_equal(scene.mask, labels)


def test_labels_may_be_numbers_of_a_palette(tmp_path: Path, counts: Counts) -> None:
    labels = Image.fromarray(np.eye(4, 3, dtype=np.uint8))
    labels.putpalette([0, 0, 0, 255, 0, 0])
    assert labels.mode == "P"
    labels.save(save_bands(tmp_path, counts) / "mask.png")
    mask = read_scene(tmp_path).mask
    assert mask is not None
    np.testing.assert_array_equal(mask, np.eye(4, 3))


def test_wavelengths_stand_in_a_text_file(tmp_path: Path, counts: Counts) -> None:
    (save_bands(tmp_path, counts) / "wavelengths.txt").write_text("400, 450\n500 550\n600\n")
    scene = read_scene(tmp_path)
    assert scene.has_wavelengths
    assert scene.wavelengths.tolist() == [400, 450, 500, 550, 600]


@pytest.mark.parametrize(
    ("text", "message"), [("400 500", "names 2 wavelengths for 5"), ("a b", "numbers"), ("1 " * 600_000, "too long")]
)
def test_wavelengths_that_do_not_fit_are_refused(tmp_path: Path, counts: Counts, text: str, message: str) -> None:
    (save_bands(tmp_path, counts) / "wavelengths.txt").write_text(text)
    with pytest.raises(SceneInvalid, match=message):
        read_scene(tmp_path)


def test_reflectance_needs_another_format(tmp_path: Path, counts: Counts) -> None:
    with pytest.raises(SceneInvalid, match="processing mode Raw"):
        read_scene(save_bands(tmp_path, counts), ProcessingMode.REFLECTANCE)


def test_bands_of_different_sizes_are_refused(tmp_path: Path, counts: Counts) -> None:
    save_bands(tmp_path, counts)
    Image.fromarray(np.zeros((5, 3), np.uint16)).save(tmp_path / "band_9.png")
    with pytest.raises(SceneInvalid, match="5 x 3 pixels, the first 4 x 3"):
        read_scene(tmp_path)


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P", "CMYK"])
def test_alpha_and_palettes_are_no_measurements(tmp_path: Path, mode: str) -> None:
    Image.new(mode, (3, 4)).save(tmp_path / "1.tif")
    with pytest.raises(SceneInvalid, match=f"mode {mode}"):
        read_scene(tmp_path)


@pytest.mark.parametrize("names", [("mask.png", "gt.png"), ("mask.png",)])
def test_two_masks_or_a_mask_alone_are_refused(tmp_path: Path, names: tuple[str, ...]) -> None:
    for name in names:
        Image.new("L", (3, 4)).save(tmp_path / name)
    with pytest.raises(SceneInvalid, match="at most one mask"):
        read_scene(tmp_path)


def test_a_mask_of_colours_is_refused(tmp_path: Path, counts: Counts) -> None:
    Image.new("RGB", (3, 4)).save(save_bands(tmp_path, counts) / "mask.png")
    with pytest.raises(SceneInvalid, match="one label for each"):
        read_scene(tmp_path)


def png_chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


@pytest.mark.parametrize("edge", [9000, 13_000, 20_000])
def test_an_image_that_is_small_on_the_disk_and_huge_in_memory_is_never_decoded(
    tmp_path: Path, edge: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    header = png_chunk(b"IHDR", struct.pack(">IIBBBBB", edge, edge, 1, 0, 0, 0, 0))
    packed = zlib.compress(bytes((edge // 8 + 1) * edge))
    (tmp_path / "1.png").write_bytes(
        b"\x89PNG\r\n\x1a\n" + header + png_chunk(b"IDAT", packed) + png_chunk(b"IEND", b"")
    )
    assert (tmp_path / "1.png").stat().st_size < 100_000

    def decoded(*_: object) -> None:
        raise AssertionError("decoded")

    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", decoded)
    with pytest.raises(SceneInvalid, match=r"unfold|smaller parts"):
        read_scene(tmp_path)


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".tif"])
@pytest.mark.parametrize("content", [b"", b"\x89PNG\r\n\x1a\n", b"<svg/>", b"II*\0" + b"\xff" * 60, b"\xff\xd8\xff"])
def test_a_file_of_something_else_is_refused(tmp_path: Path, suffix: str, content: bytes) -> None:
    (tmp_path / f"1{suffix}").write_bytes(content)
    with pytest.raises(SceneInvalid, match=f"1{suffix} cannot be read as"):
        read_scene(tmp_path)


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".tif"])
def test_damage_never_raises_anything_of_the_library(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"1{suffix}"
    Image.fromarray(np.random.default_rng(1).integers(0, 255, (20, 30), np.uint8)).save(path)
    whole = path.read_bytes()
    rng = np.random.default_rng(0)
    refused = 0
    for turn in range(300):
        damaged = bytearray(whole[: rng.integers(len(whole))] if turn % 3 == 0 else whole)
        for at in rng.integers(0, max(1, min(len(damaged), 400)), 3):
            if damaged:
                damaged[at] = rng.integers(256)
        path.write_bytes(damaged)
        try:
            read_scene(tmp_path)
        except SceneInvalid:
            refused += 1
    assert refused > 50


def test_a_folder_of_folders_holds_several_scenes(tmp_path: Path, counts: Counts) -> None:
    for number in (1, 2, 10):
        save_bands(tmp_path / f"scene_{number}", counts + number)
    measurements = read_measurements(tmp_path)
    assert [scene.name for scene in measurements] == ["scene_1", "scene_2", "scene_10"]
    assert [float(scene.cube[0, 0, 0]) for scene in measurements] == [101, 102, 110]
