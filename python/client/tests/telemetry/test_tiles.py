from __future__ import annotations

import hashlib
import io

import numpy as np
import pytest
import torch
from PIL import Image

from catenary_client.telemetry.image_header import ImageHeader, read_header
from catenary_client.telemetry.tiles import SeenTiles, encode, own_copy, snapshot


def picture(encoding: str, mode: str = "RGB", **options: object) -> bytes:
    target = io.BytesIO()
    Image.new(mode, (37, 21)).save(target, encoding, **options)
    return target.getvalue()


@pytest.mark.parametrize(
    ("data", "header"),
    [
        (picture("JPEG"), ImageHeader("jpeg", 37, 21, 3)),
        (picture("JPEG", "L"), ImageHeader("jpeg", 37, 21, 1)),
        (picture("JPEG", progressive=True), ImageHeader("jpeg", 37, 21, 3)),
        (picture("PNG"), ImageHeader("png", 37, 21, 3)),
        (picture("PNG", "L"), ImageHeader("png", 37, 21, 1)),
        (picture("PNG", "RGBA"), ImageHeader("png", 37, 21, 4)),
        (picture("WebP"), ImageHeader("webp", 37, 21, 3)),
        (picture("WebP", lossless=True), ImageHeader("webp", 37, 21, 3)),
        (picture("WebP", "RGBA", lossless=True, exact=True), ImageHeader("webp", 37, 21, 4)),
    ],
)
def test_the_header_of_an_image_says_what_the_encoder_wrote(data: bytes, header: ImageHeader) -> None:
    found = read_header(data)
    assert found is not None
    assert found[:3] == header[:3]
    assert found.channels in (header.channels, 4)


@pytest.mark.parametrize("data", [b"", b"GIF89a", b"\xff\xd8", b"\x89PNG\r\n\x1a\n", b"RIFF0000WEBPVP8 "])
def test_what_is_no_image_has_no_header(data: bytes) -> None:
    assert read_header(data) is None


@pytest.mark.parametrize("shape", [(5, 8, 8), (5, 8, 8, 1), (5, 8, 8, 3), (5, 3, 8, 8), (5, 1, 8, 8), (5, 8, 8, 4)])
@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.float64, np.bool_, np.int64])
def test_every_common_layout_is_encoded(shape: tuple[int, ...], dtype: type[np.generic]) -> None:
    tiles, size = snapshot(np.ones(shape, dtype), 16)
    assert len(tiles) == 5
    assert size == sum(tile.nbytes for tile in tiles if not isinstance(tile, bytes))
    for tile in tiles:
        assert not isinstance(tile, bytes)
        header = read_header(encode(tile, pixels=32, quality=85))
        assert header is not None
        assert header[:3] == ("jpeg", 32, 32)


def test_floats_are_shades_from_black_to_white() -> None:
    ramp = np.linspace(0, 1, 64, dtype=np.float32).reshape(8, 8)
    decoded = np.asarray(Image.open(io.BytesIO(encode(ramp, pixels=64, quality=95))))
    assert decoded[4, 4] < 5
    assert decoded[60, 60] > 250
    assert np.isnan(np.float32("nan"))
    assert encode(np.full((4, 4), np.nan), pixels=8, quality=85)


def test_a_larger_image_is_shrunk_and_keeps_its_proportions() -> None:
    header = read_header(encode(np.zeros((100, 400, 3), np.uint8), pixels=256, quality=85))
    assert header is not None
    assert (header.width, header.height) == (256, 64)


def test_arrays_are_copied_and_bytes_are_not() -> None:
    batch = np.zeros((2, 4, 4), np.uint8)
    (first, _), _ = snapshot(batch, 16)
    batch[:] = 255
    assert not isinstance(first, bytes)
    assert first.max() == 0
    encoded = b"\xff\xd8 image"
    tiles, size = snapshot([encoded], 16)
    assert tiles[0] is encoded
    assert size == len(encoded)


def test_tensors_are_read_without_their_gradient_and_only_the_first_are_taken() -> None:
    tensor = torch.rand(40, 3, 8, 8, requires_grad=True)
    tiles, _ = snapshot(tensor, 16)
    assert len(tiles) == 16
    assert own_copy(torch.ones(3, dtype=torch.bfloat16)).dtype == np.float32


@pytest.mark.parametrize("images", [np.zeros((2, 5)), np.zeros((2, 7, 7, 7)), np.zeros((2, 0, 4))])
def test_an_array_of_another_shape_is_refused(images: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> None:
    with pytest.raises(ValueError, match="an image has shape"):
        snapshot(images, 16)


def test_anything_else_is_refused() -> None:
    with pytest.raises(TypeError, match="encoded images are bytes, not str"):
        snapshot([b"image", "image"], 16)
    with pytest.raises(TypeError, match="array of numbers"):
        snapshot(["image"], 16)


def test_no_images_are_no_tiles() -> None:
    assert snapshot([], 16) == ((), 0)


def test_an_image_is_hashed_when_it_comes_again_and_named_after_that() -> None:
    seen = SeenTiles()
    image, digest = b"a" * 100, hashlib.sha256(b"a" * 100).digest()
    assert seen.identity(image) == (None, False)
    assert seen.identity(bytes(bytearray(image))) == (digest, False)
    assert seen.identity(image) == (digest, True)
    seen.forget()
    assert seen.identity(image) == (digest, False)


def test_images_that_differ_in_one_byte_are_two() -> None:
    seen = SeenTiles()
    one = bytearray(b"a" * 100)
    other = bytearray(one)
    other[10] = 0
    assert seen.identity(bytes(one)) == (None, False)
    assert seen.identity(bytes(other)) == (None, False)


def test_an_image_is_named_only_while_the_server_is_sure_to_know_it() -> None:
    seen = SeenTiles(named=2)
    images = [bytes([mark]) * 100 for mark in range(3)]
    for image in images:
        seen.identity(image)
        assert seen.identity(image)[1] is False
    assert [seen.identity(image)[1] for image in reversed(images)] == [True, True, False]


def test_only_so_many_images_are_remembered() -> None:
    seen = SeenTiles(remembered_bytes=250)
    for mark in (b"a", b"b", b"c"):
        seen.identity(mark * 100)
    assert seen.identity(b"a" * 100) == (None, False)
    assert seen.identity(b"c" * 100)[0] is not None
