"""G8: the server is killed again and again under a training at 60 steps a second."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING

from benchmarks.peers.workload import TILES
from benchmarks.report import Goal, Table
from chaos.faults import suffer
from chaos.processes import Broken
from chaos.trainer import Load

if TYPE_CHECKING:
    from pathlib import Path

_SEED = 1
TILE_BYTES = 30_000
"""Bytes of a tile, as those of the other rows on average."""


def measure(folder: Path, *, quick: bool) -> tuple[list[Table], list[Goal]]:
    """Kill it, start it, and look what is stored in the end."""
    repeats = 5 if quick else 20
    name = f"G8: messages lost, doubled or out of order after kill -9 of the server x {repeats}"
    folder.mkdir()
    try:
        outcome = suffer("server-kills", folder, repeats=repeats, seed=_SEED, load=Load(TILES, TILE_BYTES))
    except Broken as broken:
        return [], [Goal(f"{name} ({broken})", 1, 0)]
    seconds = outcome.recoveries
    columns = ("kills", "messages", "steps", "missing", "all stored again, median s", "most s")
    row = (repeats, outcome.messages, outcome.steps, outcome.lost, statistics.median(seconds), max(seconds))
    table = Table("kill -9 of the server under 60 image steps a second", columns, (row,))
    return [table], [Goal(name, outcome.lost, 0)]
