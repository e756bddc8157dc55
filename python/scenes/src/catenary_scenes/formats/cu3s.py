"""Scenes in the session files of Cubert cameras, read through the vendor's package `cuvis`."""

import importlib
from pathlib import Path
from typing import Any

import numpy as np

from catenary_scenes.arrays import parse_cube, parse_mask, parse_wavelengths
from catenary_scenes.errors import ReaderUnavailable, SceneInvalid
from catenary_scenes.formats.named_arrays import mask_at
from catenary_scenes.formats.sibling_mask import find_mask, load_mask
from catenary_scenes.measurements import Measurements, measurement_name
from catenary_scenes.scene import ProcessingMode, Scene


def read_cu3s(path: Path, mode: ProcessingMode) -> Measurements:
    """Read the measurements of a session, processed by the vendor's package as `mode` says.

    Ground truth comes from a file beside the session, as for ENVI.

    Raises:
        ReaderUnavailable: the package or the SDK below it is not installed.
        SceneInvalid: the SDK cannot open the session, or cannot process it (no references, for one).
    """
    cuvis = _vendor_package(path.name)
    try:
        session = cuvis.SessionFile(str(path))
        context = cuvis.ProcessingContext(session)
        context.processing_mode = getattr(cuvis.ProcessingMode, mode.value)
        count = len(session)
    except cuvis.cuvis_aux.SDKException as error:
        raise SceneInvalid(
            f"{path.name} cannot be opened by the Cuvis SDK ({error}): copy the file again, or install a newer SDK"
        ) from error
    if count == 0:
        raise SceneInvalid(f"{path.name} holds no measurement: record one, or give another session")

    def load(index: int) -> Scene:
        try:
            image = context.apply(session.get_measurement(index)).data["cube"]
        except (cuvis.cuvis_aux.SDKException, KeyError) as error:
            raise SceneInvalid(
                f"measurement {index} of {path.name} cannot be processed as {mode.value} ({error}): "
                "record the references this mode needs, or read it with processing mode Raw"
            ) from error
        return _scene(image, path, index, count)

    return Measurements(count, load)


def _scene(image: Any, path: Path, index: int, count: int) -> Scene:  # noqa: ANN401 - the vendor's type is not installed
    cube = parse_cube(np.asarray(image.array), f"measurement {index} of {path.name}")
    centres = None if image.wavelength is None else np.asarray(image.wavelength)
    wavelengths, known = parse_wavelengths(centres, cube.shape[2], path.name, "nm")
    mask_path = find_mask(path)
    stored = None if mask_path is None else mask_at(load_mask(mask_path), index, count)
    return Scene(
        name=measurement_name(path.stem, index, count),
        cube=cube,
        wavelengths=wavelengths,
        mask=None if stored is None else parse_mask(stored, cube.shape[:2], f"the mask of {path.name}"),
        has_wavelengths=known,
    )


def missing_requirement() -> str:
    """What has to be installed to read these files; empty if nothing has."""
    try:
        _vendor_package("a .cu3s file")
    except ReaderUnavailable as error:
        return str(error)
    return ""


def _vendor_package(name: str) -> Any:  # noqa: ANN401 - the vendor's type is not installed
    try:
        return importlib.import_module("cuvis")
    # The package ends the program (SystemExit) where its SDK is not installed.
    except (ImportError, OSError, NotImplementedError, SystemExit) as error:
        raise ReaderUnavailable(
            f"{name} needs the camera vendor's reader: install the Cuvis C SDK, set CUVIS to its folder, then "
            "pip install 'catenary-scenes[cu3s]'; or export the session to ENVI and give the .hdr file"
        ) from error
