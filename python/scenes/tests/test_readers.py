import sys
from types import SimpleNamespace

import pytest

from catenary_scenes import READABLE_SUFFIXES, ProcessingMode, list_readers


def test_every_readable_suffix_has_a_reader() -> None:
    suffixes = [reader.suffix for reader in list_readers()]
    assert suffixes[: len(READABLE_SUFFIXES)] == list(READABLE_SUFFIXES)
    assert {".png", ".jpg", ".tif"} <= set(suffixes[len(READABLE_SUFFIXES) :])


def test_files_of_the_camera_need_the_package_of_its_maker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cuvis", None)
    missing = {reader.suffix: reader.missing_requirement for reader in list_readers()}
    assert "install the Cuvis C SDK" in missing.pop(".cu3s")
    assert set(missing.values()) == {""}


def test_nothing_is_missing_once_it_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cuvis", SimpleNamespace())
    assert all(not reader.missing_requirement for reader in list_readers())


def test_files_of_the_camera_become_reflectance_unless_told_otherwise() -> None:
    defaults = {reader.suffix: reader.default_processing_mode for reader in list_readers()}
    assert defaults.pop(".cu3s") is ProcessingMode.REFLECTANCE
    assert set(defaults.values()) == {ProcessingMode.RAW}
    assert all(set(reader.processing_modes) == set(ProcessingMode) for reader in list_readers())
