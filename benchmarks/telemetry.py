"""Telemetry: what it costs a training, beside Rerun, TensorBoard and Weights & Biases, and how it stands up to faults.

The tools that we compare with are installed on first use into `.bench/peers`, each into an environment of its own, at
the versions in `benchmarks/peers/*.txt`. Ours is fsynced at the server; that is said of nothing else here.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

from benchmarks.peers.workload import write_tiles
from benchmarks.report import Report
from benchmarks.telemetry_rows import catch_up, fleet, kills, peers

if TYPE_CHECKING:
    from collections.abc import Sequence

ROWS: Final = ("peers", "fleet", "catch-up", "kills")
"""What can be measured alone."""


def run(*, quick: bool, rows: Sequence[str] = ROWS) -> Report:
    """Measure everything, or some rows of it."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        tiles = folder / "tiles"
        write_tiles(tiles)
        measures = {
            "peers": lambda: peers.measure(tiles, folder / "peers", quick=quick),
            "fleet": lambda: fleet.measure(tiles, folder / "fleet", quick=quick),
            "catch-up": lambda: catch_up.measure(folder / "cut", quick=quick),
            "kills": lambda: kills.measure(folder / "kills", quick=quick),
        }
        parts = [measures[row]() for row in rows]
    tables = [table for found, _ in parts for table in found]
    return Report("telemetry", tuple(tables), tuple(goal for _, goals in parts for goal in goals))
