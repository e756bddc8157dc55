"""Scenes in numpy's own files: .npz with named arrays, .npy with a cube alone."""

import math
import struct
import tokenize
import zipfile
import zlib
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy_format
from numpy.lib.npyio import NpzFile
from numpy.typing import NDArray

from catenary_scenes.bounds import require_bounded
from catenary_scenes.errors import SceneInvalid
from catenary_scenes.formats.named_arrays import KNOWN_NAMES, NamedArrays, measurements_of, require_cube
from catenary_scenes.measurements import Measurements
from catenary_scenes.scene import ProcessingMode, Scene

# What numpy and zipfile raise on damaged, foreign or pickled files; found by cutting and flipping bytes of good ones.
_DAMAGED = (
    ValueError,
    EOFError,
    NotImplementedError,
    RuntimeError,
    struct.error,
    tokenize.TokenError,
    zipfile.BadZipFile,
    zlib.error,
)


_MAGIC = b"\x93NUMPY"
_HEADERS = {(1, 0): npy_format.read_array_header_1_0, (2, 0): npy_format.read_array_header_2_0}


def read_npz(path: Path, mode: ProcessingMode) -> Measurements:
    """Read `cube` or `data`, and where present `wavelengths`, `mask`, `white`, `dark`, `reflectance_scale_factor`.

    Raises:
        SceneInvalid: damaged, pickled, or not a scene.
    """
    return measurements_of(load_npz(path, require=True), path, mode)


def read_npy(path: Path, mode: ProcessingMode) -> Measurements:
    """Read a cube [rows, cols, bands] or several [measurements, rows, cols, bands].

    Raises:
        SceneInvalid: damaged, pickled, or not a scene.
    """
    return measurements_of({"cube": load_npy(path)}, path, mode)


def load_npz(path: Path, *, require: bool = False) -> NamedArrays:
    """The arrays of an .npz file that have a name of ours; with `require` one must be a cube.

    Raises:
        SceneInvalid: damaged, pickled, or not an .npz file.
    """
    try:
        # numpy leaves a file it opened itself open when the archive is damaged.
        with path.open("rb") as file:
            stored = np.load(file, allow_pickle=False)
            if isinstance(stored, NpzFile) and stored.zip is not None:
                if require:
                    require_cube(stored.files, path)
                names = [name for name in KNOWN_NAMES if name in stored.files]
                for name in names:
                    _check_member(stored.zip, name, path)
                return {name: stored[name] for name in names}
    except SceneInvalid:
        raise
    except _DAMAGED as error:
        raise _unreadable(path, error) from error
    raise SceneInvalid(f"{path.name} is no .npz archive: write it with numpy.savez")


def load_npy(path: Path) -> NDArray[Any]:
    """The array of an .npy file.

    Raises:
        SceneInvalid: damaged, pickled, or not an .npy file.
    """
    try:
        with path.open("rb") as file:
            _check_array(file, path)
            stored = np.load(file, allow_pickle=False)
    except SceneInvalid:
        raise
    except _DAMAGED as error:
        raise _unreadable(path, error) from error
    if isinstance(stored, np.ndarray):
        return stored
    raise _no_array(path)


def write_npz(path: Path, scene: Scene) -> None:
    """Write the arrays `cube`, and where the scene has them `wavelengths` and `mask`."""
    arrays: dict[str, NDArray[Any]] = {"cube": scene.cube}
    if scene.has_wavelengths:
        arrays["wavelengths"] = scene.wavelengths
    if scene.mask is not None:
        arrays["mask"] = scene.mask
    # numpy adds a suffix to a path, never to an open file.
    with path.open("xb") as file:
        np.savez(file, allow_pickle=False, **arrays)


def _check_array(file: IO[bytes], path: Path) -> None:
    """Refuse an array that is larger than its file; leaves the file at its beginning."""
    if file.read(len(_MAGIC)) != _MAGIC:
        raise _no_array(path)
    file.seek(0)
    declared = _declared_bytes(file)
    present = path.stat().st_size - file.tell()
    if declared > present:
        raise SceneInvalid(f"{path.name} has {present} bytes and describes {declared}: it is cut off, copy it again")
    file.seek(0)


def _check_member(archive: zipfile.ZipFile, name: str, path: Path) -> None:
    """Refuse an array that unfolds to more than its archive justifies."""
    member = archive.getinfo(name if name in archive.namelist() else f"{name}.npy")  # as numpy looks names up
    with archive.open(member) as content:
        declared = _declared_bytes(content)
    stored = min(member.compress_size, path.stat().st_size)
    require_bounded(max(declared, member.file_size), stored, f"'{name}' in {path.name}")


def _declared_bytes(file: IO[bytes]) -> int:
    """Bytes of the array whose header comes next.

    Raises:
        ValueError: it is no header of plain numbers.
    """
    version = npy_format.read_magic(file)
    if version not in _HEADERS:
        raise ValueError(f"format {version} is not one of plain numbers")
    shape, _, dtype = _HEADERS[version](file)
    return math.prod(shape) * dtype.itemsize


def _no_array(path: Path) -> SceneInvalid:
    return SceneInvalid(f"{path.name} is no .npy file: write it with numpy.save, or name it .npz")


def _unreadable(path: Path, error: Exception) -> SceneInvalid:
    return SceneInvalid(
        f"{path.name} cannot be read ({error}): it is cut off, damaged or holds Python objects; "
        "copy it again, or write it with numpy.savez from plain numeric arrays"
    )
