from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "python/server/tests/support"))

from secured_server import SecuredServer, secured_server

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecuredServer]:
    """One server for the tests of a module."""
    with secured_server(tmp_path_factory.mktemp("secured")) as server:
        yield server
