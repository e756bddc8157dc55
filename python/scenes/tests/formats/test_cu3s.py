"""The vendor's package needs a camera maker's C SDK; a stand-in with the calls we make takes its place."""

import enum
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from catenary_scenes import ProcessingMode, ReaderUnavailable, SceneInvalid, read_measurements, read_scene


class SdkError(Exception):
    """Stands for cuvis.cuvis_aux.SDKException."""


class VendorMode(enum.Enum):
    Raw = 2
    Reflectance = 4


class Session:
    """A session of two measurements; `broken` cannot be opened, `empty` has none."""

    def __init__(self, path: str) -> None:
        if "broken" in path:
            raise SdkError("bad magic")
        self.path = path

    def __len__(self) -> int:
        return 0 if "empty" in self.path else 2

    def get_measurement(self, index: int) -> SimpleNamespace:
        return SimpleNamespace(index=index, data={})


class Context:
    """Raw counts are 100 * (index + 1); reflectance is a tenth of them, unless the session is called `dark`."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.processing_mode = VendorMode.Raw

    def apply(self, measurement: SimpleNamespace) -> SimpleNamespace:
        reflectance = self.processing_mode is VendorMode.Reflectance
        if reflectance and "dark" in self.session.path:
            raise SdkError("no white reference")
        counts = np.full((4, 3, 5), 100 * (measurement.index + 1), np.uint16)
        wavelength = None if "plain" in self.session.path else [450, 500, 550, 600, 650]
        image = SimpleNamespace(array=counts / 10 if reflectance else counts, wavelength=wavelength)
        measurement.data["cube"] = image
        return measurement


@pytest.fixture(autouse=True)
def vendor_package(monkeypatch: pytest.MonkeyPatch) -> None:
    package: Any = SimpleNamespace(
        SessionFile=Session,
        ProcessingContext=Context,
        ProcessingMode=VendorMode,
        cuvis_aux=SimpleNamespace(SDKException=SdkError),
    )
    monkeypatch.setitem(sys.modules, "cuvis", package)


def session_file(folder: Path, name: str = "a.cu3s") -> Path:
    (folder / name).write_bytes(b"session")
    return folder / name


def test_every_measurement_is_read_as_reflectance_by_default(tmp_path: Path) -> None:
    measurements = read_measurements(session_file(tmp_path))
    assert [scene.name for scene in measurements] == ["a_000", "a_001"]
    assert [float(scene.cube[0, 0, 0]) for scene in measurements] == [10.0, 20.0]
    assert measurements[0].wavelengths.tolist() == [450, 500, 550, 600, 650]


def test_raw_is_read_when_asked_for(tmp_path: Path) -> None:
    assert read_scene(session_file(tmp_path), ProcessingMode.RAW).cube.max() == 100.0


def test_a_session_without_wavelengths_has_band_indices(tmp_path: Path) -> None:
    scene = read_scene(session_file(tmp_path, "plain.cu3s"))
    assert not scene.has_wavelengths


def test_masks_beside_the_session_go_with_their_measurements(tmp_path: Path) -> None:
    np.save(tmp_path / "a_mask.npy", np.stack([np.zeros((4, 3), np.int8), np.ones((4, 3), np.int8)]))
    masks = [scene.mask for scene in read_measurements(session_file(tmp_path))]
    assert [None if mask is None else int(mask.sum()) for mask in masks] == [0, 12]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("broken.cu3s", "bad magic.*newer SDK"),
        ("empty.cu3s", "holds no measurement"),
        ("dark.cu3s", "no white reference.*processing mode Raw"),
    ],
)
def test_what_the_sdk_refuses_is_refused_with_its_reason(tmp_path: Path, name: str, message: str) -> None:
    with pytest.raises(SceneInvalid, match=message):
        read_scene(session_file(tmp_path, name))


def test_a_package_that_ends_the_program_for_want_of_its_sdk_counts_as_not_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "cuvis")
    (tmp_path / "cuvis.py").write_text("import sys\nsys.exit(1)\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(ReaderUnavailable, match="set CUVIS"):
        read_scene(session_file(tmp_path))
