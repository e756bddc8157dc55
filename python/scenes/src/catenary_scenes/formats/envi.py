"""Scenes in ENVI files: `<stem>.hdr` beside its data file, ground truth in a file beside both."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from spectral.io import envi

from catenary_scenes.arrays import parse_cube, parse_mask, parse_wavelengths
from catenary_scenes.calibration import Calibration, to_reflectance
from catenary_scenes.errors import SceneInvalid
from catenary_scenes.formats.envi_image import EnviImage, header_numbers, header_text, load_envi
from catenary_scenes.formats.sibling_mask import find_mask, load_mask
from catenary_scenes.measurements import Measurements
from catenary_scenes.scene import ProcessingMode, Scene

_ENVI_TYPES = {np.dtype(np.float32): 4, np.dtype(np.int32): 3}


def read_envi(path: Path, mode: ProcessingMode) -> Measurements:
    """Read the image, its wavelengths, and the mask beside it.

    Reflectance comes from white and dark references beside the file (`WHITEREF_<stem>.hdr` and `DARKREF_<stem>.hdr`,
    or `<stem>_white.hdr` and `<stem>_dark.hdr`), else from the header's `reflectance scale factor`. The bad band list
    (`bbl`) is left to the reader of the scene: every stored band is returned.

    Raises:
        SceneInvalid: damaged, cut off, or not a scene.
    """
    return Measurements(1, lambda _: _read(path, mode))


def write_envi_pair(header_path: Path, data_path: Path, values: NDArray[Any], fields: dict[str, Any]) -> None:
    """Write float32 or int32 `values` [rows, cols, bands] to `data_path` and the header for them to `header_path`."""
    rows, cols, bands = values.shape
    little_endian = values.astype(values.dtype.newbyteorder("<"), copy=False)
    data_path.write_bytes(np.ascontiguousarray(little_endian).data)
    header = {
        "lines": rows,
        "samples": cols,
        "bands": bands,
        "header offset": 0,
        "file type": "ENVI Standard",
        "data type": _ENVI_TYPES[values.dtype],
        "interleave": "bip",
        "byte order": 0,
        **fields,
    }
    envi.write_envi_header(str(header_path), header)


def wavelength_fields(scene: Scene) -> dict[str, Any]:
    """Header fields for the scene's wavelengths; none for a scene without."""
    if not scene.has_wavelengths:
        return {}
    return {"wavelength": [str(value) for value in scene.wavelengths], "wavelength units": "Nanometers"}


def _read(path: Path, mode: ProcessingMode) -> Scene:
    image = load_envi(path)
    cube = parse_cube(image.values, path.name)
    _refuse_ignored(image, cube, path)
    if mode is ProcessingMode.REFLECTANCE:
        cube = to_reflectance(cube, _calibration(path, image), path.name)
    wavelengths, known = parse_wavelengths(
        header_numbers(image.header, "wavelength", path),
        cube.shape[2],
        path.name,
        header_text(image.header, "wavelength units") or "",
    )
    mask_path = find_mask(path)
    return Scene(
        name=path.stem,
        cube=cube,
        wavelengths=wavelengths,
        mask=None if mask_path is None else parse_mask(load_mask(mask_path), cube.shape[:2], mask_path.name),
        has_wavelengths=known,
    )


def _refuse_ignored(image: EnviImage, cube: NDArray[np.float32], path: Path) -> None:
    """A pixel without data would count as an anomaly: its header value is far from every spectrum."""
    ignored = header_numbers(image.header, "data ignore value", path)
    if ignored is None:
        return
    empty = int(np.sum(np.all(cube == np.float32(ignored[0]), axis=2)))
    if empty:
        raise SceneInvalid(
            f"{path.name} has {empty} pixels without data (value {ignored[0]:g} in every band): "
            "cut the scene to where it has data"
        )


def _calibration(path: Path, image: EnviImage) -> Calibration:
    factor = header_numbers(image.header, "reflectance scale factor", path)
    return Calibration(
        white=_mean_line(path, "WHITEREF_{}.hdr", "{}_white.hdr"),
        dark=_mean_line(path, "DARKREF_{}.hdr", "{}_dark.hdr"),
        scale_factor=None if factor is None else float(factor[0]),
    )


def _mean_line(path: Path, *patterns: str) -> NDArray[np.float64] | None:
    """The reference beside the file, averaged over its lines: [cols, bands]."""
    candidates = (path.with_name(pattern.format(path.stem)) for pattern in patterns)
    reference = next((candidate for candidate in candidates if candidate.is_file()), None)
    if reference is None:
        return None
    return np.asarray(parse_cube(load_envi(reference).values, reference.name).mean(axis=0, dtype=np.float64))
