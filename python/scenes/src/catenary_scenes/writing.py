"""Writing scenes: the suffix chooses the format, and a file appears whole or not at all."""

import os
import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

from catenary_scenes.errors import SceneInvalid, SceneNotFound
from catenary_scenes.formats.envi import wavelength_fields, write_envi_pair
from catenary_scenes.formats.matlab import write_mat
from catenary_scenes.formats.numpy_files import write_npz
from catenary_scenes.scene import Scene

_WRITERS: Mapping[str, Callable[[Path, Scene], None]] = {".npz": write_npz, ".mat": write_mat}
WRITABLE_SUFFIXES = (*_WRITERS, ".hdr")
"""Suffixes that `write_scene` understands, in lower case."""


def write_scene(path: Path, scene: Scene) -> None:
    """Write a scene so that `read_scene` in mode Raw returns its cube, wavelengths and mask bit for bit.

    `.npz` holds the arrays cube, wavelengths and mask; `.mat` data, map and wavelengths; `.hdr` is an ENVI header with
    the cube in `<stem>.img` and the mask in `<stem>_gt.hdr` and `<stem>_gt.img`. An existing file is replaced
    atomically; of an ENVI pair the header comes last.

    Raises:
        SceneInvalid: the suffix is none of these, or the format cannot hold a cube of this size.
        SceneNotFound: the folder does not exist.
        OSError: the disk is full or the folder is not writable.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix not in WRITABLE_SUFFIXES:
        raise SceneInvalid(f"{path.name} has a suffix of no known format: choose one of {', '.join(WRITABLE_SUFFIXES)}")
    if not path.parent.is_dir():
        raise SceneNotFound(f"there is no folder {path.parent}: create it first")
    if suffix == ".hdr":
        _write_envi(path, scene)
        return
    with _replacing(path) as partial:
        _WRITERS[suffix](partial, scene)


def _write_envi(path: Path, scene: Scene) -> None:
    mask_header = path.with_name(f"{path.stem}_gt.hdr")
    mask_data = mask_header.with_suffix(".img")
    with ExitStack() as files:
        # Files are put in place in the reverse order: the scene's header after all that it stands for.
        header = files.enter_context(_replacing(path))
        data = files.enter_context(_replacing(path.with_suffix(".img")))
        write_envi_pair(header, data, scene.cube, wavelength_fields(scene))
        if scene.mask is not None:
            gt_header = files.enter_context(_replacing(mask_header))
            gt_data = files.enter_context(_replacing(mask_data))
            write_envi_pair(gt_header, gt_data, scene.mask[:, :, None], {})
    if scene.mask is None:
        # The mask of the scene that was here before would become this one's.
        mask_header.unlink(missing_ok=True)
        mask_data.unlink(missing_ok=True)


@contextmanager
def _replacing(path: Path) -> Iterator[Path]:
    """A new name beside `path` that takes its place at the end, or is removed when the block fails."""
    partial = path.with_name(f".{path.name}.{secrets.token_hex(4)}.partial")
    try:
        yield partial
        with partial.open("rb") as written:
            os.fsync(written.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
