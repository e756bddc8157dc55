from __future__ import annotations

import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[3]
MISUSE = """
import numpy as np
from catenary_client import AsyncClient, Client
from catenary_client.workflow import build_stub

Client(adress="a")
client = Client()
client.session(labels=3)
session = client.session()
session.train("calibration")
session.resolve("trainrun")
session.save_pipeline("out").weights
session.infer(cube="no array")
for progress in session.train("gradient"):
    progress.loss
session.evaluate("train")
AsyncClient().session()
build_stub().Trian
"""


def test_misuse_of_the_client_is_a_type_error(tmp_path: Path) -> None:
    program = tmp_path / "misuse.py"
    program.write_text(MISUSE)
    # With the repository's cache: what `nox -s types` has checked is not checked again.
    command = [sys.executable, "-m", "mypy", "--strict", "--no-error-summary", str(program)]
    checked = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    # By its name: from the cache, errors of the same program may come under the path that it had in an earlier run.
    errors = [line for line in checked.stdout.splitlines() if "/misuse.py:" in line and ": error: " in line]
    lines = sorted({int(line.partition("/misuse.py:")[2].split(":")[0]) for line in errors})
    wrong = [6, 8, 10, 11, 12, 13, 15, 16, 17, 18]
    assert lines == wrong, checked.stdout
