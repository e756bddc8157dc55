"""Generates everything that follows from the protos: stubs for Python and TypeScript, the image, the page of reasons.

All of it is checked in, so that nobody needs a generator to build or read the project. Two generations give the same
bytes, which is what the drift check relies on.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from catenary_tools import reasons_page, third_party

PYTHON_TREE = Path("python/contract/src")
TYPESCRIPT_TREE = Path("web/contract/src")
IMAGE = PYTHON_TREE / "catenary" / "contract.binpb"
REASONS_PAGE = Path("docs/error-reasons.md")
GENERATED = (PYTHON_TREE, TYPESCRIPT_TREE, REASONS_PAGE)

_TYPESCRIPT_PACKAGE = Path("web/contract")
_DETAILS = [Path(third_party.FOLDER) / "google/rpc" / name for name in ("error_details.proto", "status.proto")]
_PACKAGE_DOCSTRING = '"""The Catenary contract: generated, do not edit."""\n'


def generate(root: Path) -> None:
    """Bring all generated files of the repository at ``root`` up to date; stale ones disappear.

    Raises ``subprocess.CalledProcessError`` when buf or npm fails, and what ``third_party.fetch`` raises.
    """
    prepare(root)
    with tempfile.TemporaryDirectory() as folder:
        generate_into(root, Path(folder))
        for place in GENERATED:
            _update(Path(folder) / place, root / place)


def prepare(root: Path) -> None:
    """Fetch what generation needs and the repository does not hold; does nothing when all is there."""
    third_party.fetch(root)
    package = root / _TYPESCRIPT_PACKAGE
    if not _is_installed(package):
        subprocess.run(["npm", "ci", "--no-audit", "--no-fund"], cwd=package, check=True)


def generate_into(root: Path, output: Path) -> None:
    """Write every generated file of the repository at ``root`` below ``output``, under the path that it has there."""
    buf(root, "generate", "--output", str(output))
    _generate_details(root, output)
    _write_package_files(output / PYTHON_TREE / "catenary")
    build_image(root, output / IMAGE)
    page = output / REASONS_PAGE
    page.parent.mkdir(parents=True, exist_ok=True)
    page.write_text(reasons_page.render((output / IMAGE).read_bytes()))


def _generate_details(root: Path, output: Path) -> None:
    """Write TypeScript stubs of the details of statuses: no proto imports them, as they travel in trailers.

    Python has them in googleapis-common-protos.
    """
    plugin = {
        "local": str(_TYPESCRIPT_PACKAGE / "node_modules/.bin/protoc-gen-es"),
        "out": str(TYPESCRIPT_TREE),
        "opt": ["target=ts", "import_extension=js"],
    }
    template = json.dumps({"version": "v2", "plugins": [plugin]})
    paths = [argument for path in _DETAILS for argument in ("--path", str(path))]
    buf(root, "generate", third_party.FOLDER, "--template", template, *paths, "--output", str(output))


def build_image(root: Path, image: Path) -> None:
    """Write the image of the protos to ``image``: all descriptors with rules, options and comments."""
    buf(root, "build", "proto", "--output", str(image))


def files_below(place: Path) -> set[Path]:
    """Return the files of a generated tree relative to it; of a generated file, itself as the empty path."""
    if place.is_file():
        return {Path()}
    return {path.relative_to(place) for path in place.rglob("*") if path.is_file() and path.suffix != ".pyc"}


def buf(root: Path, *arguments: str) -> None:
    """Run buf in ``root`` with this environment's plugins; raises ``subprocess.CalledProcessError`` when it fails."""
    subprocess.run([executable("buf"), *arguments], cwd=root, env=_environment(), check=True)


def executable(name: str) -> str:
    """Return the path of a program that belongs to this environment, whether or not the environment is active."""
    return str(Path(sys.executable).with_name(name))


def _environment() -> dict[str, str]:
    # buf starts `python` and the plugins by name; they have to be the ones whose versions are pinned beside this code.
    scripts = str(Path(sys.executable).parent)
    return os.environ | {"PATH": os.pathsep.join([scripts, os.environ.get("PATH", os.defpath)])}


def _write_package_files(top: Path) -> None:
    folders = {top} | {parent for stub in top.rglob("*_pb2.py") for parent in stub.parents if top in parent.parents}
    for folder in folders:
        (folder / "__init__.py").write_text(_PACKAGE_DOCSTRING)
    (top / "py.typed").write_text("")


def _update(source: Path, target: Path) -> None:
    # Only what differs is touched: whoever uses the files meanwhile never finds one missing.
    wanted = files_below(source)
    for name in files_below(target) - wanted:
        (target / name).unlink()
    for name in wanted:
        content, place = (source / name).read_bytes(), target / name
        if not place.is_file() or place.read_bytes() != content:
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(content)


def _is_installed(package: Path) -> bool:
    installed = package / "node_modules" / ".package-lock.json"
    return installed.is_file() and _versions(installed).items() >= _versions(package / "package-lock.json").items()


def _versions(lock: Path) -> dict[str, str]:
    packages: dict[str, dict[str, str]] = json.loads(lock.read_text())["packages"]
    return {path: entry["version"] for path, entry in packages.items() if path}


if __name__ == "__main__":
    generate(Path.cwd())
