"""How the tests are shared among processes, and how often the random ones try.

With several processes (`pytest -n`, `--dist loadgroup`), the tests of a file stay together, so that its fixtures are
made once; and all files that use the one real server of `tests/` stay together, so that it is started once.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from collections.abc import Sequence

REPOSITORY = Path(__file__).parent
END_TO_END = REPOSITORY / "tests"

# No deadlines: how long an example takes says how busy the machine is.
settings.register_profile("quick", max_examples=50, deadline=None)
settings.register_profile("thorough", max_examples=400, deadline=None)
settings.load_profile("thorough" if os.environ.get("CATENARY_THOROUGH") else "quick")


@pytest.hookimpl(tryfirst=True)  # xdist reads the groups in the same hook
def pytest_collection_modifyitems(items: Sequence[pytest.Item]) -> None:
    """Say which tests stay together."""
    for item in items:
        shared = item.path.is_relative_to(END_TO_END) and "server" in getattr(item, "fixturenames", ())
        group = "server" if shared else item.path.relative_to(REPOSITORY).as_posix()
        item.add_marker(pytest.mark.xdist_group(group))
