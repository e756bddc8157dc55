"""A real server for the tests that cross packages: one for each test process, with roots of its own."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from catenary_client.local import local_server

if TYPE_CHECKING:
    from collections.abc import Iterator

REPOSITORY = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def data_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The server's data root."""
    return tmp_path_factory.mktemp("data")


@pytest.fixture(scope="session")
def artifact_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The server's artifact root."""
    return tmp_path_factory.mktemp("artifacts")


@pytest.fixture(scope="session")
def unix_socket() -> Iterator[Path]:
    """The server's socket; in a folder of its own, as the system takes short paths only."""
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder) / "s"


@pytest.fixture(scope="session")
def server(
    tmp_path_factory: pytest.TempPathFactory, data_root: Path, artifact_root: Path, unix_socket: Path
) -> Iterator[str]:
    """`host:port` of a running server."""
    arguments = ["--data", str(data_root), "--artifacts", str(artifact_root), "--configs", str(REPOSITORY / "configs")]
    arguments += ["--unix-socket", str(unix_socket)]
    arguments += ["--telemetry", str(tmp_path_factory.mktemp("telemetry"))]
    scenes = os.environ.get("CATENARY_SCENES")
    if scenes:
        arguments += ["--data", scenes]
    with local_server(tmp_path_factory.mktemp("server") / "log", arguments) as address:
        yield address


@pytest.fixture(scope="session")
def scenes_folder() -> Path:
    """The folder with the real scenes, or a skip that says how to have it."""
    folder = os.environ.get("CATENARY_SCENES")
    if not folder:
        pytest.skip("set CATENARY_SCENES to the folder with san_diego.mat and hydice_urban.mat")
    return Path(folder).resolve()
