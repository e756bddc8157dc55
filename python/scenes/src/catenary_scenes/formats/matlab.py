"""Scenes in MATLAB files: array `data` [rows, cols, bands], ground truth `map` [rows, cols]."""

import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import scipy.io
from scipy.io.matlab import MatReadError, MatWriteError

from catenary_scenes.errors import SceneInvalid
from catenary_scenes.formats.matlab_header import safe_variables
from catenary_scenes.formats.named_arrays import KNOWN_NAMES, NamedArrays, measurements_of, require_cube
from catenary_scenes.measurements import Measurements
from catenary_scenes.scene import ProcessingMode, Scene

# What scipy raises on damaged or foreign files; found by cutting and flipping bytes of good ones.
_DAMAGED = (
    MatReadError,
    ValueError,
    TypeError,
    EOFError,
    OSError,
    struct.error,
    zlib.error,
)


def read_mat(path: Path, mode: ProcessingMode) -> Measurements:
    """Read `data` or `cube`, and where present `map`, `wavelengths`, `white`, `dark`, `reflectance_scale_factor`.

    Raises:
        SceneInvalid: damaged, of version 7.3, or not a scene.
    """
    return measurements_of(load_mat(path, require=True), path, mode)


def load_mat(path: Path, *, require: bool = False) -> NamedArrays:
    """The variables of a MATLAB file (versions 5 to 7) that have a name of ours; with `require` one must be a cube.

    Raises:
        SceneInvalid: damaged, of version 7.3, or not a MATLAB file.
    """
    try:
        names = safe_variables(path, KNOWN_NAMES)
        if require:
            require_cube(names, path)
        known = [name for name in KNOWN_NAMES if name in names]
        stored = scipy.io.loadmat(str(path), appendmat=False, variable_names=known)
    except SceneInvalid:
        raise
    except _DAMAGED as error:
        raise SceneInvalid(
            f"{path.name} cannot be read as a MATLAB file ({error}): copy it again, or save it again with '-v7'"
        ) from error
    return {name: np.asarray(stored[name]) for name in KNOWN_NAMES if name in stored}


def write_mat(path: Path, scene: Scene) -> None:
    """Write the variables `data`, and where the scene has them `map` and `wavelengths`.

    Raises:
        SceneInvalid: the cube is larger than the format's 4 GiB.
    """
    variables: dict[str, np.ndarray[Any, Any]] = {"data": scene.cube}
    if scene.mask is not None:
        variables["map"] = scene.mask
    if scene.has_wavelengths:
        variables["wavelengths"] = scene.wavelengths
    try:
        scipy.io.savemat(str(path), variables, appendmat=False, do_compression=True, oned_as="row")
    except MatWriteError as error:
        raise SceneInvalid(f"{scene.name} is too large for a MATLAB file ({error}): write .npz or ENVI") from error
