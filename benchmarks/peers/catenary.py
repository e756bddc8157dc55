"""Ours: `catenary_client.telemetry.Run` to a server that acknowledges what is safe on its disk."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.peers.loop import Job, main
from catenary_client.telemetry import Run, TelemetrySettings

if TYPE_CHECKING:
    from pathlib import Path

_MIB = 1 << 20


class CatenaryWriter:
    """A run."""

    def __init__(self, job: Job, folder: Path, target: str) -> None:
        waits = job.kind == "sustained"
        settings = TelemetrySettings(spill_bytes=_MIB if waits else 4096 * _MIB, close_seconds=300.0)
        self._run = Run(
            target,
            run_id=f"{folder.parent.name}-{folder.name}",
            spill_root=folder,
            settings=settings,
            on_full="block" if waits else "spill",
        ).start()

    def images(self, _step: int, tiles: list[bytes], loss: float, accuracy: float) -> None:
        """See `Writer.images`."""
        self._run.log_batch(images=tiles, loss=loss, accuracy=accuracy)

    def scalars(self, step: int, loss: float, accuracy: float) -> None:
        """See `Writer.scalars`."""
        self._run.log_scalars({"loss": loss, "accuracy": accuracy}, step=step)

    def finish(self) -> dict[str, float]:
        """Wait until the server has everything on its disk."""
        report = self._run.close()
        return {"complete": float(report.complete), "dropped": report.dropped_images, "rejected": report.rejected}


if __name__ == "__main__":
    main(CatenaryWriter)
