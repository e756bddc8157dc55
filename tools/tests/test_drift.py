from __future__ import annotations

from pathlib import Path

import pytest

from catenary_tools import drift, generation

ROOT = Path(__file__).parents[2]


def tree(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


def test_equal_trees_do_not_differ(tmp_path: Path) -> None:
    present, expected = tree(tmp_path / "present", a="1"), tree(tmp_path / "expected", a="1")
    assert drift.compare(present, expected) == []


def test_missing_stale_and_changed_files_are_named(tmp_path: Path) -> None:
    present, expected = tree(tmp_path / "present", a="1", b="1"), tree(tmp_path / "expected", a="2", c="1")
    assert drift.compare(present, expected) == [
        f"{present / 'a'}: differs from what is generated",
        f"{present / 'b'}: nothing generates it",
        f"{present / 'c'}: missing",
    ]


def test_single_files_are_compared(tmp_path: Path) -> None:
    folder = tree(tmp_path, a="1", b="2")
    assert drift.compare(folder / "a", folder / "a") == []
    assert drift.compare(folder / "a", folder / "b") == [f"{folder / 'a'}: differs from what is generated"]


def test_compiled_python_is_not_compared(tmp_path: Path) -> None:
    present, expected = tree(tmp_path / "present", a="1"), tree(tmp_path / "expected", a="1")
    tree(present / "__pycache__", **{"a.cpython-311.pyc": ""})
    assert drift.compare(present, expected) == []


def test_what_is_checked_in_is_what_the_protos_generate() -> None:
    assert drift.differences(ROOT) == []


@pytest.mark.slow  # what is checked in is a generation, and is compared with another above
def test_two_generations_are_identical(tmp_path: Path) -> None:
    generation.prepare(ROOT)
    first, second = tmp_path / "first", tmp_path / "second"
    generation.generate_into(ROOT, first)
    generation.generate_into(ROOT, second)
    assert drift.compare(first, second) == []
    assert generation.files_below(first)
