"""TensorBoard with TensorFlow: encoded tiles as one summary of images, faster than its public function."""

from __future__ import annotations

from typing import TYPE_CHECKING

import tensorflow as tf
from tensorboard.plugins.image import metadata

from benchmarks.peers.loop import Job, main
from benchmarks.peers.workload import PIXELS

if TYPE_CHECKING:
    from pathlib import Path

_SIDE = str(PIXELS).encode()


class TensorFlowWriter:
    """A summary writer."""

    def __init__(self, _job: Job, folder: Path, _target: str) -> None:
        self._writer = tf.summary.create_file_writer(str(folder))
        self._metadata = metadata.create_summary_metadata(display_name="tiles", description="")

    def images(self, step: int, tiles: list[bytes], loss: float, accuracy: float) -> None:
        """See `Writer.images`."""
        with self._writer.as_default(step):
            tf.summary.write("tiles", tf.constant([_SIDE, _SIDE, *tiles]), metadata=self._metadata)
            tf.summary.scalar("loss", loss)
            tf.summary.scalar("accuracy", accuracy)

    def scalars(self, step: int, loss: float, accuracy: float) -> None:
        """See `Writer.scalars`."""
        with self._writer.as_default(step):
            tf.summary.scalar("loss", loss)
            tf.summary.scalar("accuracy", accuracy)

    def finish(self) -> dict[str, float]:
        """Flush; the file is not synced."""
        self._writer.close()
        return {}


if __name__ == "__main__":
    main(TensorFlowWriter)
