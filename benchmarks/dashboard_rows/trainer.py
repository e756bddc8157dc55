"""A training that logs sixteen tiles at each of sixty steps a second, and remembers when: to be watched by the bench.

    python -m benchmarks.dashboard_rows.trainer SERVER RUN_ID TILES FOLDER

It goes on until its input ends, then writes `times.json` into the folder: when each step was logged, and when each
learning rate was applied, in milliseconds since the Unix epoch.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from pathlib import Path
from typing import Final

import numpy as np

from benchmarks.peers.workload import TILES, batches
from catenary_client.telemetry import Commands, Run, Setting

RATE_HZ: Final = 60.0
_CLASSES: Final = 10
_PAUSE_SECONDS: Final = 0.05
"""What is late by more is not caught up."""


def main() -> None:
    """Train until the input ends."""
    server, run_id, tiles, folder = sys.argv[1], sys.argv[2], Path(sys.argv[3]), Path(sys.argv[4])
    logged: list[tuple[int, float]] = []
    applied: list[tuple[float, float]] = []
    rate = [0.1]

    def write(value: float) -> None:
        rate[0] = value
        applied.append((value, time.time() * 1e3))

    ended = threading.Event()
    threading.Thread(target=_wait_for_end, args=(ended,), daemon=True).start()
    commands = Commands(learning_rate=Setting(lambda: rate[0], write, 0.0, 1.0))
    chance = np.random.default_rng(0)
    config = {"model_name": "bench", "class_names": [f"class {number}" for number in range(_CLASSES)]}
    with Run(server, run_id=run_id, commands=commands, config=config, spill_root=folder / "spill") as run:
        due = time.monotonic()
        for step, images in enumerate(batches(tiles), start=1):
            due = max(due + 1 / RATE_HZ, time.monotonic() - _PAUSE_SECONDS)
            time.sleep(max(0.0, due - time.monotonic()))
            if ended.is_set():
                break
            scores = chance.normal(size=(TILES, _CLASSES)).astype(np.float32)
            logged.append((step, time.time() * 1e3))
            run.log_batch(images=images, loss=1 / step, predictions=scores, ground_truth=scores.argmax(1), step=step)
    (folder / "times.json").write_text(json.dumps({"logged": logged, "applied": applied}))


def _wait_for_end(ended: threading.Event) -> None:
    sys.stdin.read()
    ended.set()


if __name__ == "__main__":
    main()
