"""Ground truth in a file beside the scene, for formats that hold the cube alone."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from catenary_scenes.formats.envi_image import load_envi
from catenary_scenes.formats.matlab import load_mat
from catenary_scenes.formats.named_arrays import mask_of
from catenary_scenes.formats.numpy_files import load_npy, load_npz

_LOADERS: Mapping[str, Callable[[Path], NDArray[Any]]] = {
    "_gt.hdr": lambda path: load_envi(path).values,
    "_mask.hdr": lambda path: load_envi(path).values,
    "_mask.npy": load_npy,
    "_mask.npz": lambda path: mask_of(load_npz(path), path),
    "_mask.mat": lambda path: mask_of(load_mat(path), path),
}


def find_mask(scene_path: Path) -> Path | None:
    """The first of `<stem>_gt.hdr` and `<stem>_mask.{hdr,npy,npz,mat}` beside a scene, or None."""
    candidates = (scene_path.with_name(scene_path.stem + ending) for ending in _LOADERS)
    return next((candidate for candidate in candidates if candidate.is_file()), None)


def load_mask(mask_path: Path) -> NDArray[Any]:
    """The stored mask in a file that `find_mask` found.

    Raises:
        SceneInvalid: the file is damaged or holds no mask.
    """
    ending = next(ending for ending in _LOADERS if mask_path.name.endswith(ending))
    return _LOADERS[ending](mask_path)
