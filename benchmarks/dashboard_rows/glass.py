"""G5, G6, G9: from the training to the glass, frame by frame, and from a click back to the training."""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import json
import statistics
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any, Final

from benchmarks.dashboard_rows.pages import dashboard, opened
from benchmarks.dashboard_rows.trainer import RATE_HZ
from benchmarks.report import Goal, Table, quantile
from benchmarks.serving.processes import REPOSITORY
from benchmarks.serving.telemetry import processor_seconds

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

RUN_ID: Final = "bench"
FRAME_MS: Final = 1000 / RATE_HZ
_LATE_FRAMES: Final = 1.5
"""A frame is late that comes more than one and a half frames after the one before."""
_PAUSE_MS: Final = 200
_FEWEST: Final = 10
"""Of fewer figures no quantile says anything."""
_STOP_SECONDS: Final = 60


@dataclasses.dataclass(frozen=True, slots=True)
class _Measured:
    """What the page and the training noted down; times are milliseconds since the Unix epoch."""

    drawn: list[tuple[int, float]]
    clicks: list[float]
    logged: dict[int, float]
    applied: list[tuple[float, float]]
    wanted: list[float]
    spent: dict[str, float]
    """Seconds of processor of the training, the server, and all processes of the browser, while it watched."""
    seconds: float

    def ages(self) -> list[float]:
        """How old each drawn batch was, in milliseconds."""
        return [at - self.logged[step] for step, at in self.drawn if step in self.logged]

    def gaps(self) -> list[float]:
        """Times between a batch drawn and the next, in milliseconds."""
        times = [at for _, at in self.drawn]
        return [after - before for before, after in itertools.pairwise(times)]

    def cores(self, name: str) -> float:
        """How many cores one of the three kept busy."""
        return self.spent[name] / self.seconds

    def missed_share(self) -> float:
        """Share of the batches logged meanwhile that were not drawn."""
        steps = {step for step, _ in self.drawn}
        first, last = min(steps), max(steps)
        meanwhile = [step for step in self.logged if first <= step <= last]
        return 1 - len(steps) / len(meanwhile)

    def delays(self) -> list[float]:
        """From each click to the step that had the new learning rate, in milliseconds."""
        times = dict(self.applied)
        pairs = zip(self.wanted, self.clicks, strict=True)
        return [times[value] - click for value, click in pairs if value in times]


def measure(tiles: Path, folder: Path, *, quick: bool) -> tuple[list[Table], list[Goal]]:
    """Train, look, and steer."""
    measured = _measured(tiles, folder, seconds=6 if quick else 30, clicks=20 if quick else 100)
    if len(measured.ages()) < _FEWEST or len(measured.delays()) < _FEWEST:
        counts = f"{len(measured.drawn)} batches drawn, {len(measured.delays())} clicks applied"
        return [], [Goal(f"G5, G6, G9: too little happened to measure: {counts}", 1, 0)]
    return _tables(measured), _goals(measured)


def _measured(tiles: Path, folder: Path, *, seconds: int, clicks: int) -> _Measured:
    wanted = [round(0.001 * number, 4) for number in range(1, clicks + 1)]
    with dashboard(folder / "server") as (server, address):
        with (
            _training(server.address, tiles, folder) as training,
            opened(f"{address}/runs/{RUN_ID}/") as page,
        ):
            meters = {
                "training": lambda: processor_seconds(training),
                "server": lambda: processor_seconds(server.process_id),
                "browser": page.processor_seconds,
            }
            page.ask(do="settle")
            before = {name: read() for name, read in meters.items()}
            began = time.monotonic()
            seen = page.ask(do="watch", seconds=seconds)
            watched = time.monotonic() - began
            spent = {name: read() - before[name] for name, read in meters.items()}
            steered = page.ask(do="steer", values=wanted, pauseMs=_PAUSE_MS)
        times: dict[str, Any] = json.loads((folder / "times.json").read_text())
    clock = seen["clockMs"]
    return _Measured(
        drawn=[(step, at + clock) for step, at in seen["drawn"]],
        clicks=[click + steered["clockMs"] for click in steered["clicks"]],
        logged=dict(times["logged"]),
        applied=times["applied"],
        wanted=wanted,
        spent=spent,
        seconds=watched,
    )


@contextlib.contextmanager
def _training(address: str, tiles: Path, folder: Path) -> Iterator[int]:
    """The training, by the id of its process, until the block ends; its times are written by then."""
    command = [sys.executable, "-m", "benchmarks.dashboard_rows.trainer", address, RUN_ID, str(tiles), str(folder)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, cwd=REPOSITORY)
    try:
        yield process.pid
        process.communicate(timeout=_STOP_SECONDS)
    finally:
        process.kill()
        process.wait()


def _tables(measured: _Measured) -> list[Table]:
    gaps = measured.gaps()
    seconds = sum(gaps) / 1e3
    late = [gap for gap in gaps if gap > _LATE_FRAMES * FRAME_MS]
    columns = ("", "n", "p50", "p95", "p99", "greatest")
    rows = (
        ("log call -> drawn", *_spread(measured.ages())),
        ("frame -> next frame", *_spread(gaps)),
        ("click -> applied", *_spread(measured.delays())),
    )
    figures = (
        ("frames drawn per second", len(gaps) / seconds),
        ("late frames, %", 100 * len(late) / len(gaps)),
        ("batches not drawn, %", 100 * measured.missed_share()),
        *((f"processor of the {name}, % of a core", 100 * measured.cores(name)) for name in measured.spent),
        ("processor of the browser, ms a frame drawn", 1e3 * measured.spent["browser"] / len(gaps)),
    )
    return [
        Table("Sixteen tiles at 60 Hz in headless Chromium, milliseconds", columns, rows),
        Table("Frames", ("", "value"), figures),
    ]


def _spread(values: Sequence[float]) -> tuple[int, float, float, float, float]:
    return len(values), statistics.median(values), quantile(values, 0.95), quantile(values, 0.99), max(values)


def _goals(measured: _Measured) -> list[Goal]:
    ages, gaps, delays = measured.ages(), measured.gaps(), measured.delays()
    late = sum(gap > _LATE_FRAMES * FRAME_MS for gap in gaps) / len(gaps)
    lost = len(measured.wanted) - len(delays)
    return [
        Goal("G5: log call -> drawn, p50 in ms", statistics.median(ages), 30),
        Goal("G5: log call -> drawn, p99 in ms", quantile(ages, 0.99), 80),
        Goal("G6: frames drawn per second", len(gaps) / (sum(gaps) / 1e3), 0.99 * RATE_HZ, at_most=False),
        Goal("G6: late frames, share", late, 0.01),
        Goal("G9: click -> applied, p99 in ms beyond one step", quantile(delays, 0.99) - FRAME_MS, 20),
        Goal("G9: clicks that were not applied", lost, 0),
    ]
