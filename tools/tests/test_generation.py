from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from catenary_tools import generation

if TYPE_CHECKING:
    import pytest


def test_a_tree_is_updated_in_place(tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    for folder, names in ((source, "same changed new"), (target, "same changed stale")):
        folder.mkdir()
        for name in names.split():
            (folder / name).write_text(f"{folder.name if name == 'changed' else name}")
    untouched = (target / "same").stat().st_mtime_ns
    generation._update(source, target)
    assert {name.name for name in generation.files_below(target)} == {"same", "changed", "new"}
    assert (target / "changed").read_text() == "source"
    assert (target / "same").stat().st_mtime_ns == untouched


def test_programs_of_this_environment_are_found_without_activating_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", os.defpath)
    assert Path(generation.executable("buf")).is_file()
    assert Path(generation.executable("protoc-gen-grpc_python")).is_file()


def test_an_installed_package_is_recognised_by_its_versions(tmp_path: Path) -> None:
    lock = '{"packages": {"": {"name": "x"}, "node_modules/a": {"version": "%s"}}}'
    (tmp_path / "package-lock.json").write_text(lock % "1.0.0")
    assert not generation._is_installed(tmp_path)
    (tmp_path / "node_modules").mkdir()
    (tmp_path / "node_modules/.package-lock.json").write_text(lock % "0.9.0")
    assert not generation._is_installed(tmp_path)
    (tmp_path / "node_modules/.package-lock.json").write_text(lock % "1.0.0")
    assert generation._is_installed(tmp_path)
