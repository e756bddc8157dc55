"""The dashboard in a real browser: how old the images on the glass are, how evenly they come, how soon a click counts.

Server, training and a headless Chromium share the machine, as they would on one's own. The page draws sixteen tiles of
256 x 256 pixels sixty times a second; when it drew each batch, and when the training logged it, are read from clocks of
the same machine. Needs Node.js and Chromium, or its path in CATENARY_CHROMIUM.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from benchmarks.dashboard_rows import glass
from benchmarks.dashboard_rows.pages import build
from benchmarks.peers.workload import write_tiles
from benchmarks.report import Report


def run(*, quick: bool) -> Report:
    """Measure everything."""
    build()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        tiles = folder / "tiles"
        write_tiles(tiles)
        tables, goals = glass.measure(tiles, folder, quick=quick)
    return Report("dashboard", tuple(tables), tuple(goals))
