"""A training that logs until SIGTERM.

Its command line is ADDRESS SPILL RUN_ID FIRST_STEP TILES TILE_BYTES COUNTER. It writes the number of its last logged
step into the file COUNTER, and prints its report at the end.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from pathlib import Path

from catenary_client.telemetry import Run, TelemetrySettings

RATE = 60.0
_MIB = 1 << 20
_JPEG_HEADER = b"\xff\xd8\xff\xc0\x00\x11\x08\x00\x10\x00\x10\x03"


class Training:
    """Steps that nobody can mistake for others."""

    def __init__(self, run: Run, first: int, tiles: int, tile_bytes: int, counter: int) -> None:
        self._run = run
        self._step = first
        self._tiles = tiles
        self._words = tile_bytes // 8
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
            os.pwrite(self._counter, step.to_bytes(8, "big"), 0)
            self._step += 1
            time.sleep(max(begin + (self._step - first) / RATE - time.monotonic(), 0.0))

    def _tile(self, number: int) -> bytes:
        return _JPEG_HEADER + (self._step * self._tiles + number).to_bytes(8, "big") * self._words

    def _stop(self, *_: object) -> None:
        self._stopping = True


def main() -> None:
    """Train, then say what became of it."""
    address, spill, run_id, first, tiles, tile_bytes, counter = sys.argv[1:]
    settings = TelemetrySettings(
        ring_bytes=8 * _MIB, reserve_bytes=_MIB // 8, segment_bytes=2 * _MIB, close_seconds=120.0
    )
    fd = os.open(counter, os.O_RDWR | os.O_CREAT)
    run = Run(address, run_id=run_id, spill_root=Path(spill), settings=settings, on_full="block").start()
    Training(run, int(first), int(tiles), int(tile_bytes), fd).train()
    report = run.close()
    print(json.dumps({"complete": report.complete, "dropped": report.dropped_images, "rejected": report.rejected}))


if __name__ == "__main__":
    main()
