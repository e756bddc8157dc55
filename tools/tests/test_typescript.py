from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from catenary_tools import generation

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "web/contract"
STUBS = sorted((PACKAGE / "src").rglob("*.ts"))


@pytest.fixture(scope="module", autouse=True)
def _installed() -> None:
    generation.prepare(ROOT)


def test_the_stubs_type_check() -> None:
    result = subprocess.run(
        [PACKAGE / "node_modules/.bin/tsc"], cwd=PACKAGE, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stdout


def test_the_stubs_need_no_package_of_the_rules() -> None:
    assert STUBS
    assert [stub.name for stub in STUBS if "buf/validate" in stub.read_text()] == []


def test_the_lock_file_pins_every_package_and_names_no_host() -> None:
    packages = json.loads((PACKAGE / "package-lock.json").read_text())["packages"]
    installed = {path: entry for path, entry in packages.items() if path}
    assert all(entry["integrity"].startswith("sha512-") for entry in installed.values())
    assert [path for path, entry in installed.items() if "resolved" in entry] == []
