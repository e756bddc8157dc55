"""Small contracts, built by buf, for the tests of the tools."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from catenary_tools import third_party
from catenary_tools.generation import build_image

ROOT = Path(__file__).parents[2]
OPTIONS = Path("catenary/contract/v1/options.proto")
WORKSPACE = """\
version: v2
modules:
  - path: proto
  - path: third_party
    lint:
      ignore: [third_party]
lint:
  use: [STANDARD, COMMENTS]
"""

ImageBuilder = Callable[[str], bytes]


@pytest.fixture(scope="session", autouse=True)
def _third_party_protos() -> None:
    third_party.fetch(ROOT)


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """Return a folder with the options of the contract and what they import, to which a test adds a proto."""
    return make_workspace(tmp_path)


@pytest.fixture(scope="session")
def image_of(tmp_path_factory: pytest.TempPathFactory) -> ImageBuilder:
    """Return a function that builds the image of one proto of the package ``catenary.v1``."""
    folder = make_workspace(tmp_path_factory.mktemp("contract"))

    @cache
    def build(text: str) -> bytes:
        write_proto(folder, text)
        build_image(folder, folder / "image.binpb")
        return (folder / "image.binpb").read_bytes()

    return build


def make_workspace(folder: Path) -> Path:
    options = folder / "proto" / OPTIONS
    options.parent.mkdir(parents=True)
    shutil.copy(ROOT / "proto" / OPTIONS, options)
    shutil.copytree(ROOT / "third_party", folder / "third_party")
    (folder / "buf.yaml").write_text(WORKSPACE)
    return folder


def write_proto(folder: Path, text: str) -> None:
    file = folder / "proto/catenary/v1/thing.proto"
    file.parent.mkdir(exist_ok=True, parents=True)
    file.write_text(text)
