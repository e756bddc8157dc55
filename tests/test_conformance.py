"""A good server in another language conforms, too."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

REPOSITORY = Path(__file__).resolve().parents[1]
REFERENCE_SERVER = REPOSITORY / "web" / "reference-server"

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


def conform(report: Path, *arguments: str) -> None:
    command = [sys.executable, "-m", "catenary_conformance", "run", *arguments, "--report", str(report)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]


@pytest.fixture(scope="module")
def reference_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """`host:port` of the reference server in TypeScript."""
    if shutil.which("npm") is None:
        pytest.skip("the reference server needs Node.js 20 or newer")
    for command in (["npm", "ci", "--no-audit", "--no-fund"], ["npm", "run", "check"], ["npm", "run", "build"]):
        subprocess.run(command, cwd=REFERENCE_SERVER, check=True, capture_output=True)
    folder = tmp_path_factory.mktemp("runs")
    command = ["node", "dist/main.js", "--telemetry", str(folder)]
    with subprocess.Popen(command, cwd=REFERENCE_SERVER, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        listening = re.search(r"listening on (\S+)", process.stdout.readline())
        assert listening is not None
        yield listening[1]
        process.terminate()
        assert process.wait(10) == 0


def test_a_small_server_in_another_language_conforms(reference_server: str, tmp_path: Path) -> None:
    conform(tmp_path, reference_server, "--profile", "telemetry", "--budget", "150s")


def test_the_servers_own_tests_pass(reference_server: str) -> None:
    assert reference_server
    command = ["node", "--test", *(str(each) for each in REFERENCE_SERVER.glob("tests/*.test.mjs"))]
    subprocess.run(command, cwd=REFERENCE_SERVER, check=True, capture_output=True)
