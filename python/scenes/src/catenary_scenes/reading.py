"""Reading scenes: the suffix of a file chooses its reader; folders hold several scenes, or the images of one."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

from catenary_scenes.errors import SceneInvalid, SceneNotFound
from catenary_scenes.folders import scene_places
from catenary_scenes.formats.cu3s import read_cu3s
from catenary_scenes.formats.envi import read_envi
from catenary_scenes.formats.image_folder import IMAGE_SUFFIXES, read_image, read_image_folder
from catenary_scenes.formats.matlab import read_mat
from catenary_scenes.formats.numpy_files import read_npy, read_npz
from catenary_scenes.measurements import Measurements, joined
from catenary_scenes.scene import ProcessingMode, Scene

Read = TypeVar("Read")

_READERS: Mapping[str, Callable[[Path, ProcessingMode], Measurements]] = {
    ".npz": read_npz,
    ".npy": read_npy,
    ".mat": read_mat,
    ".hdr": read_envi,
    ".cu3s": read_cu3s,
}
READABLE_SUFFIXES = tuple(_READERS)
"""Suffixes of scene files, in lower case. Images are no scene files: a folder of them is one scene."""


def read_scene(path: Path, processing_mode: ProcessingMode | None = None) -> Scene:
    """Read the first scene of a file; see `read_measurements`."""
    return read_measurements(path, processing_mode)[0]


def read_measurements(path: Path, processing_mode: ProcessingMode | None = None) -> Measurements:
    """Open a file or folder that holds one scene or several.

    A folder holds scene files, or the bands of one scene as images, or folders of these; its scenes come in the order
    of their names.

    Args:
        path: an .npz, .npy, .mat, ENVI .hdr or .cu3s file, an image with all bands, or a folder; the case of the
            suffix does not matter.
        processing_mode: None = Reflectance for .cu3s, Raw for the others.

    Returns:
        The scenes as a sequence; each is read, processed and checked when it is taken.

    Raises:
        SceneNotFound: there is no such file.
        SceneInvalid: it is cut off, damaged, or does not hold a scene that can be processed as asked.
        ReaderUnavailable: its reader is not installed.
    """
    path = Path(path)
    places = _guarded(path, lambda: scene_places(path, READABLE_SUFFIXES)) if path.is_dir() else (path,)
    return joined([_opened(place, processing_mode) for place in places])


def _opened(path: Path, processing_mode: ProcessingMode | None) -> Measurements:
    """The scenes of a file, or of a folder of images."""
    reader = _reader_for(path)
    mode = default_processing_mode(path.suffix) if processing_mode is None else processing_mode
    opened = _guarded(path, lambda: reader(path, mode))
    return Measurements(len(opened), lambda index: _guarded(path, lambda: opened[index]))


def default_processing_mode(suffix: str) -> ProcessingMode:
    """What a file is processed as unless somebody says otherwise; the case of the suffix does not matter."""
    return ProcessingMode.REFLECTANCE if suffix.lower() == ".cu3s" else ProcessingMode.RAW


def _reader_for(path: Path) -> Callable[[Path, ProcessingMode], Measurements]:
    if path.is_dir():
        return read_image_folder
    if not path.exists():
        raise SceneNotFound(f"there is no file {path}: check the path")
    if path.suffix.lower() in IMAGE_SUFFIXES:
        return read_image
    if path.suffix.lower() not in _READERS:
        raise SceneInvalid(
            f"{path.name} has a suffix of no known format: give one of {', '.join(READABLE_SUFFIXES)} "
            "(for ENVI the header, not its data file)"
        )
    return _READERS[path.suffix.lower()]


def _guarded(path: Path, read: Callable[[], Read]) -> Read:
    """What any reader may meet, whatever the format."""
    try:
        return read()
    except OSError as error:
        raise SceneInvalid(
            f"{path} cannot be read ({error.strerror or error}): check its permissions, or copy it again"
        ) from error
    except MemoryError as error:
        raise SceneInvalid(f"{path.name} does not fit into memory: cut it into smaller scenes") from error
