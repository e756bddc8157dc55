"""Telemetry stands up to faults at random moments; `nox -s chaos -- telemetry` does the same more often."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]


@pytest.mark.slow
@pytest.mark.parametrize("fault", ["server-kills", "trainer-kills", "cuts", "slow-connections", "full-disk"])
def test_nothing_acknowledged_is_lost_doubled_or_out_of_order_after(fault: str) -> None:
    command = [sys.executable, "-m", "chaos", "telemetry", "--quick", "--fault", fault]
    ran = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert f"{fault}: 3 times" in ran.stdout
