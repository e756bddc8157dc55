from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

# What several tests stand on; no package, so that it needs no installation.
sys.path.insert(0, str(Path(__file__).parent / "support"))

from scripted_server import ScriptedServer

from catenary_client import Client, RetryPolicy

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with ScriptedServer() as running:
        yield running


@pytest.fixture
def client(server: ScriptedServer) -> Iterator[Client]:
    with Client(server.address, timeout=20.0, retry=RetryPolicy(attempts=3, initial_seconds=0.001)) as connected:
        yield connected
