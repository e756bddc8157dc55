from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from application import Application, build_application

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
async def app(tmp_path: Path) -> Application:
    return build_application(tmp_path)
