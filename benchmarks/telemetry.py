"""Telemetry: what it costs a training, beside Rerun, TensorBoard and Weights & Biases, and how it stands up to faults.

The tools that we compare with are installed on first use into `.bench/peers`, each into an environment of its own, at
the versions in `benchmarks/peers/*.txt`. Ours is fsynced at the server; that is said of nothing else here.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from benchmarks.peers.workload import write_tiles
from benchmarks.report import Report
from benchmarks.telemetry_rows import catch_up, fleet, kills, peers


def run(*, quick: bool) -> Report:
    """Measure everything."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        tiles = folder / "tiles"
        write_tiles(tiles)
        parts = [
            peers.measure(tiles, folder / "peers", quick=quick),
            fleet.measure(tiles, folder / "fleet", quick=quick),
            catch_up.measure(folder / "cut", quick=quick),
            kills.measure(folder / "kills", quick=quick),
        ]
    tables = [table for found, _ in parts for table in found]
    return Report("telemetry", tuple(tables), tuple(goal for _, goals in parts for goal in goals))
