"""A small server for the tests of the suite: right by default, wrong where a test asks for it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

# What the tests stand on; no package, so that it needs no installation.
sys.path.insert(0, str(Path(__file__).parent / "support"))

from standin import Standin

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def standin() -> Iterator[Standin]:
    """A running server that has sessions and nothing else."""
    with Standin() as server:
        yield server
