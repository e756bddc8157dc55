"""TensorBoard without TensorFlow: encoded tiles straight into its event file, faster than its public functions."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.summary.writer.event_file_writer import EventFileWriter

from benchmarks.peers.loop import Job, main
from benchmarks.peers.workload import PIXELS

if TYPE_CHECKING:
    from pathlib import Path


class TensorBoardWriter:
    """An event file."""

    def __init__(self, _job: Job, folder: Path, _target: str) -> None:
        self._writer = EventFileWriter(str(folder))

    def images(self, step: int, tiles: list[bytes], loss: float, accuracy: float) -> None:
        """See `Writer.images`."""
        shape = {"height": PIXELS, "width": PIXELS, "colorspace": 3}
        values = [
            Summary.Value(tag=f"tiles/{number}", image=Summary.Image(**shape, encoded_image_string=tile))
            for number, tile in enumerate(tiles)
        ]
        self._add(step, [*values, *_values(loss, accuracy)])

    def scalars(self, step: int, loss: float, accuracy: float) -> None:
        """See `Writer.scalars`."""
        self._add(step, _values(loss, accuracy))

    def finish(self) -> dict[str, float]:
        """Flush; the file is not synced."""
        self._writer.close()
        return {}

    def _add(self, step: int, values: list[Summary.Value]) -> None:
        self._writer.add_event(Event(step=step, wall_time=time.time(), summary=Summary(value=values)))


def _values(loss: float, accuracy: float) -> list[Summary.Value]:
    return [Summary.Value(tag="loss", simple_value=loss), Summary.Value(tag="accuracy", simple_value=accuracy)]


if __name__ == "__main__":
    main(TensorBoardWriter)
