"""A trainer that logs for ever, to be killed: `doomed_trainer.py ADDRESS SPILL RUN_ID FIRST_STEP`."""

from __future__ import annotations

import sys
from pathlib import Path

from catenary_client.telemetry import Run, TelemetrySettings

KIB = 1 << 10


def image(step: int, tile: int) -> bytes:
    """Looks like a JPEG of 16 x 16 pixels; no two are the same."""
    head = b"\xff\xd8\xff\xc0\x00\x11\x08\x00\x10\x00\x10\x03"
    return head + (step * 16 + tile).to_bytes(8, "big") * 400


def main(address: str, spill: str, run_id: str, first_step: str) -> None:
    """Log steps until somebody ends it."""
    settings = TelemetrySettings(ring_bytes=200 * KIB, reserve_bytes=8 * KIB, segment_bytes=128 * KIB)
    with Run(address, run_id=run_id, spill_root=Path(spill), settings=settings, on_full="block") as run:
        step = int(first_step)
        while True:
            run.log_scalars({"loss": float(step)}, step=step)
            run.log_batch(images=[image(step, tile) for tile in range(4)], loss=float(step), step=step)
            sys.stdout.write(f"{step} {run.spilled_bytes}\n")
            sys.stdout.flush()
            step += 1


if __name__ == "__main__":
    main(*sys.argv[1:])
