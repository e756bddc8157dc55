"""A training that logs until SIGTERM."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import time
from typing import TYPE_CHECKING, Final

from catenary_client.telemetry import Run, TelemetrySettings

if TYPE_CHECKING:
    from pathlib import Path

RATE: Final = 60.0
COUNTER_BYTES: Final = 8
_KIB: Final = 1 << 10
_JPEG_HEADER: Final = b"\xff\xd8\xff\xc0\x00\x11\x08\x00\x10\x00\x10\x03"


@dataclasses.dataclass(frozen=True, slots=True)
class Load:
    """What each step carries, and what the trainer may keep.

    Attributes:
        ring_bytes: memory for batches with images.
        reserve_bytes: memory for the rest.
        may_drop: whether images are left out when neither memory nor disk has room; else the training waits.
    """

    tiles: int = 4
    tile_bytes: int = 1500
    ring_bytes: int = 8192 * _KIB
    reserve_bytes: int = 128 * _KIB
    may_drop: bool = False


@dataclasses.dataclass(frozen=True, slots=True)
class Plan:
    """One process of a training.

    Attributes:
        first_step: where it goes on.
        counter: file that has the number of the last logged step.
        report: file that gets the run's report at the end.
    """

    address: str
    spill: Path
    run_id: str
    first_step: int
    load: Load
    counter: Path
    report: Path


class Training:
    """Steps that nobody can mistake for others."""

    def __init__(self, run: Run, plan: Plan, counter: int) -> None:
        self._run = run
        self._step = plan.first_step
        self._tiles = plan.load.tiles
        self._words = plan.load.tile_bytes // 8
        self._counter = counter
        self._stopping = False
        signal.signal(signal.SIGTERM, self._stop)

    def train(self) -> None:
        """Log steps at a constant rate."""
        begin, first = time.monotonic(), self._step
        while not self._stopping:
            step = self._step
            self._run.log_scalars({"step": float(step)}, step=step)
            self._run.log_batch(images=[self._tile(n) for n in range(self._tiles)], loss=float(step), step=step)
            os.pwrite(self._counter, step.to_bytes(COUNTER_BYTES, "big"), 0)
            self._step += 1
            time.sleep(max(begin + (self._step - first) / RATE - time.monotonic(), 0.0))

    def _tile(self, number: int) -> bytes:
        return _JPEG_HEADER + (self._step * self._tiles + number).to_bytes(8, "big") * self._words

    def _stop(self, *_: object) -> None:
        self._stopping = True


def run(plan: Plan) -> None:
    """Train, then say what became of it."""
    load = plan.load
    settings = TelemetrySettings(
        ring_bytes=load.ring_bytes,
        reserve_bytes=load.reserve_bytes,
        segment_bytes=2048 * _KIB,
        close_seconds=60.0,
    )
    counter = os.open(plan.counter, os.O_RDWR | os.O_CREAT)
    reporter = Run(
        plan.address,
        run_id=plan.run_id,
        spill_root=plan.spill,
        settings=settings,
        on_full="spill" if load.may_drop else "block",
    ).start()
    Training(reporter, plan, counter).train()
    report = reporter.close()
    said = {"complete": report.complete, "dropped": report.dropped_images, "rejected": report.rejected}
    plan.report.write_text(json.dumps(said))
