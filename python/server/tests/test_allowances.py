from __future__ import annotations

import os
from typing import TYPE_CHECKING

from click.testing import CliRunner

from catenary_server.commands import serve

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_a_plugin_that_is_named_wrongly_stops_the_server_before_it_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CATENARY_LAUNCHED", str(os.getpid()))
    monkeypatch.setattr("catenary_server.logs.configure", lambda *_: None)
    place = ["--configs", str(tmp_path), "--artifacts", str(tmp_path)]
    result = CliRunner().invoke(serve, [*place, "--allow-plugin", "git+https://host.invalid/ndvi"])
    assert result.exit_code == 2
    assert "--allow-plugin" in result.output
    assert "allows no plugin" in result.output
