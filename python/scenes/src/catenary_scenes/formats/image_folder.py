"""Scenes in folders of images: one image for each band, or several bands in one."""

import re
import struct
import warnings
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageSequence

from catenary_scenes.arrays import parse_cube, parse_mask, parse_wavelengths
from catenary_scenes.bounds import require_bounded
from catenary_scenes.calibration import Calibration, to_reflectance
from catenary_scenes.errors import SceneInvalid
from catenary_scenes.measurements import Measurements
from catenary_scenes.scene import ProcessingMode, Scene

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff")
MASK_STEMS = ("mask", "gt")
WAVELENGTHS_FILE = "wavelengths.txt"

_FORMATS = ("PNG", "JPEG", "TIFF")
_BANDS = {"1": 1, "L": 1, "I": 1, "I;16": 1, "I;16L": 1, "I;16B": 1, "F": 1, "RGB": 3}
"""Bands in an image of each mode of Pillow. Alpha and palettes are no measurements."""
_MOST_BANDS = 4096
_MOST_TEXT_BYTES = 1024 * 1024
_FLOAT_BYTES = 4

# What Pillow raises on damaged and foreign files; found by cutting and flipping bytes of good ones.
_DAMAGED = (
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    KeyError,
    IndexError,
    AttributeError,
    EOFError,
    OverflowError,
    struct.error,
    zlib.error,
    Image.DecompressionBombError,
    Image.DecompressionBombWarning,
)


Admit = Callable[[int, int, int], None]
"""Told rows, cols and bands of a picture before it is decoded; raises SceneInvalid to refuse it."""


def read_image_folder(path: Path, mode: ProcessingMode) -> Measurements:
    """Read the images of a folder as the bands of one scene.

    Bands come in the order of the names of their files, in which numbers count as numbers: `band_2` before `band_10`.
    A colour image gives three bands, a TIFF file of several pages the bands of each. An image called `mask` or `gt`
    is the ground truth; `wavelengths.txt` has the band centres in nanometres, separated by blanks, commas or lines.

    Raises:
        SceneInvalid: an image is damaged, too large, of another size than the first, or has alpha or a palette.
    """
    return Measurements(1, lambda _: _read(path, mode))


def read_image(path: Path, mode: ProcessingMode) -> Measurements:
    """Read one image with all bands of a scene, such as a TIFF file of several pages; as `read_image_folder`.

    Raises:
        SceneInvalid: as `read_image_folder`.
    """
    return Measurements(1, lambda _: _scene(path, [path], [], mode))


def image_files(path: Path) -> tuple[Path, ...]:
    """The images of a folder in the order of their names."""
    found = (each for each in path.iterdir() if each.suffix.lower() in IMAGE_SUFFIXES and each.is_file())
    return tuple(sorted((each for each in found if not each.name.startswith(".")), key=natural_order))


def natural_order(path: Path) -> tuple[tuple[int, str], ...]:
    """Sorts by name, numbers in it by their value."""
    parts = re.findall(r"\d+|\D+", path.name.casefold())
    return tuple((int(part), "") if part.isdecimal() else (-1, part) for part in parts)


def _read(path: Path, mode: ProcessingMode) -> Scene:
    images = image_files(path)
    masks = [image for image in images if image.stem.casefold() in MASK_STEMS]
    bands = [image for image in images if image not in masks]
    if not bands or len(masks) > 1:
        found = ", ".join(image.name for image in images) or "no image"
        raise SceneInvalid(f"{path.name} holds {found}: store the bands as images, and at most one mask beside them")
    return _scene(path, bands, masks, mode)


def _scene(path: Path, bands: list[Path], masks: list[Path], mode: ProcessingMode) -> Scene:
    cube = parse_cube(_stacked(bands), path.name)
    if mode is ProcessingMode.REFLECTANCE:
        cube = to_reflectance(cube, Calibration(), path.name)
    source = f"{WAVELENGTHS_FILE} of {path.name}"
    wavelengths, known = parse_wavelengths(_centres(path / WAVELENGTHS_FILE, source), cube.shape[2], source)
    return Scene(
        name=path.name,
        cube=cube,
        wavelengths=wavelengths,
        mask=parse_mask(_mask(masks[0]), cube.shape[:2], masks[0].name) if masks else None,
        has_wavelengths=known,
    )


def _stacked(files: list[Path]) -> NDArray[np.float32]:
    """[rows, cols, bands] of all images, each decoded when the size of everything up to it is known and allowed."""
    folder = files[0].parent.name
    stored = sum(file.stat().st_size for file in files)
    layers: list[NDArray[np.float32]] = []
    total = 0

    def admit(rows: int, cols: int, bands: int) -> None:
        nonlocal total
        total += bands
        if total > _MOST_BANDS:
            raise SceneInvalid(f"{folder} has more than {_MOST_BANDS} bands: split it")
        if layers and (rows, cols) != layers[0].shape[:2]:
            raise SceneInvalid(
                f"an image of {folder} has {rows} x {cols} pixels, the first {layers[0].shape[0]} x "
                f"{layers[0].shape[1]}: all bands of a scene have the same size"
            )
        require_bounded(rows * cols * total * _FLOAT_BYTES, stored, folder)

    for file in files:
        layers += (np.atleast_3d(values).astype(np.float32) for values in _pictures(file, admit))
    return np.concatenate(layers, axis=2)


def _mask(file: Path) -> NDArray[Any]:
    stored = file.stat().st_size

    def admit(rows: int, cols: int, bands: int) -> None:
        require_bounded(rows * cols * bands * _FLOAT_BYTES, stored, file.name)

    pictures = _pictures(file, admit, palette=True)
    if len(pictures) != 1 or pictures[0].ndim != 2:  # noqa: PLR2004 - rows, cols
        raise SceneInvalid(f"{file.name} has several values in a pixel: store one label for each")
    return pictures[0]


def _pictures(file: Path, admit: Admit, *, palette: bool = False) -> list[NDArray[Any]]:
    """The pictures in a file, [rows, cols] or [rows, cols, bands] each.

    Raises:
        SceneInvalid: not admitted, damaged, or with alpha or a palette where none may be.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(file, formats=_FORMATS) as image:
                return [_decoded(picture, file, admit, palette=palette) for picture in ImageSequence.Iterator(image)]
    except SceneInvalid:
        raise
    except _DAMAGED as error:
        raise SceneInvalid(
            f"{file.name} cannot be read as a PNG, JPEG or TIFF image ({error}): export it again, or in smaller parts"
        ) from error


def _decoded(picture: Image.Image, file: Path, admit: Admit, *, palette: bool) -> NDArray[Any]:
    """One picture; up to here only its header has been read."""
    bands = 1 if palette and picture.mode == "P" else _BANDS.get(picture.mode)
    if bands is None:
        raise SceneInvalid(
            f"{file.name} is an image of mode {picture.mode}: store grey values or RGB, without alpha and palette"
        )
    admit(picture.height, picture.width, bands)
    return np.array(picture)


def _centres(file: Path, source: str) -> NDArray[np.float64] | None:
    if not file.is_file():
        return None
    if file.stat().st_size > _MOST_TEXT_BYTES:
        raise SceneInvalid(f"{source} is too long for a list of wavelengths: store one number for each band")
    try:
        return np.array([float(word) for word in file.read_text().replace(",", " ").split()])
    except ValueError as error:
        raise SceneInvalid(f"{source} holds something else than numbers ({error}): correct it") from error
