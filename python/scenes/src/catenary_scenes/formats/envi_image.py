"""ENVI images: a text header beside a file of plain numbers, read through SPy."""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from spectral.io import envi
from spectral.io.spyfile import SpyFile
from spectral.utilities.errors import SpyException

from catenary_scenes.errors import SceneInvalid

# What SPy raises on headers that are foreign, incomplete or not parseable; found by cutting and flipping good ones.
_DAMAGED = (SpyException, ValueError, KeyError, TypeError, AttributeError)


@dataclass(frozen=True, slots=True, eq=False)
class EnviImage:
    """An ENVI image in memory."""

    values: NDArray[Any]
    """[rows, cols, bands] as stored, never scaled, whatever the file's interleave and byte order."""
    header: Mapping[str, str | list[str]]
    """Fields of the header, names in lower case; lists where the header has braces."""


def load_envi(path: Path) -> EnviImage:
    """Read the image whose header is at `path`.

    Raises:
        SceneInvalid: the header is damaged or of an unsupported kind, the data file is missing or cut off.
    """
    try:
        # SPy would leave a header that is not text open.
        path.read_text()
        with warnings.catch_warnings():
            # SPy warns of field names with capitals, which it then reads well.
            warnings.simplefilter("ignore", UserWarning)
            image = envi.open(str(path.absolute()))
    except envi.EnviDataFileNotFoundError as error:
        raise SceneInvalid(
            f"{path.name} has no data file: put it beside the header as {path.stem}.img, .dat, .raw or without suffix"
        ) from error
    except _DAMAGED as error:
        raise _unreadable(path, error) from error
    if not isinstance(image, SpyFile):
        raise SceneInvalid(f"{path.name} describes a spectral library: give the header of an image")
    try:
        return EnviImage(values=_stored_values(image, path), header=dict(image.metadata))
    finally:
        image.fid.close()


def header_text(header: Mapping[str, str | list[str]], field: str) -> str | None:
    """A header field of one value, or None."""
    value = header.get(field)
    return value.strip() if isinstance(value, str) else None


def header_numbers(header: Mapping[str, str | list[str]], field: str, path: Path) -> NDArray[np.float64] | None:
    """A header field of numbers, or None when the header lacks it.

    Raises:
        SceneInvalid: the field holds something else.
    """
    value = header.get(field)
    if value is None:
        return None
    try:
        return np.array([value] if isinstance(value, str) else value, dtype=np.float64)
    except ValueError as error:
        raise SceneInvalid(f"field '{field}' of {path.name} is not a number ({error}): correct the header") from error


def _stored_values(image: SpyFile, path: Path) -> NDArray[Any]:
    shape = (image.nrows, image.ncols, image.nbands)
    if min(shape) < 1 or image.offset < 0:
        raise SceneInvalid(f"{path.name} describes an image of shape {shape} at {image.offset}: correct the header")
    needed = image.offset + image.nrows * image.ncols * image.nbands * image.sample_size
    data_file = Path(image.filename)
    present = data_file.stat().st_size
    if present < needed:
        raise SceneInvalid(
            f"{data_file.name} has {present} bytes, {path.name} describes {needed}: copy the data file again"
        )
    # A copy, so that the file can be replaced while the scene is in use.
    return np.array(image.open_memmap(interleave="bip", writable=False))


def _unreadable(path: Path, error: Exception) -> SceneInvalid:
    return SceneInvalid(
        f"{path.name} cannot be read as an ENVI header ({type(error).__name__}: {error}): it needs samples, lines, "
        "bands, a numeric 'data type', interleave and byte order; export it again"
    )
