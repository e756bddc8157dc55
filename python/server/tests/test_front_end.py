"""The front end stays light: it starts and serves without torch."""

from __future__ import annotations

import subprocess
import sys

HEAVY = (
    "torch",
    "lightning",
    "matplotlib",
    "networkx",
    "hydra",
    "scipy",
    "catenary_scenes",
    "catenary_server.engine",
    "catenary_server.nodes",
)


def test_the_front_end_imports_nothing_of_what_workers_compute_with() -> None:
    code = (
        "import sys, catenary_server.wiring, catenary_server.commands;"
        f"print([name for name in {HEAVY!r} if name in sys.modules])"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"
