"""Rerun: to a file, or over gRPC to a server of its own, which keeps it in memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

import rerun as rr

from benchmarks.peers.loop import Job, main

if TYPE_CHECKING:
    from pathlib import Path


class RerunWriter:
    """A recording; to a file if there is no target."""

    def __init__(self, job: Job, folder: Path, target: str) -> None:
        self._recording = rr.RecordingStream(f"bench-{job.kind}")
        if target == "file":
            self._recording.save(folder / "recording.rrd")
        else:
            self._recording.connect_grpc(f"rerun+http://{target}/proxy")

    def images(self, step: int, tiles: list[bytes], loss: float, accuracy: float) -> None:
        """See `Writer.images`."""
        self._recording.set_time("step", sequence=step)
        for number, tile in enumerate(tiles):
            self._recording.log(f"tiles/{number}", rr.EncodedImage(contents=tile, media_type="image/jpeg"))
        self._recording.log("loss", rr.Scalars(loss))
        self._recording.log("accuracy", rr.Scalars(accuracy))

    def scalars(self, step: int, loss: float, accuracy: float) -> None:
        """See `Writer.scalars`."""
        self._recording.set_time("step", sequence=step)
        self._recording.log("loss", rr.Scalars(loss))
        self._recording.log("accuracy", rr.Scalars(accuracy))

    def finish(self) -> dict[str, float]:
        """Flush; a server has it in memory then, a file is not synced."""
        self._recording.flush()
        self._recording.disconnect()
        return {}


if __name__ == "__main__":
    main(RerunWriter)
