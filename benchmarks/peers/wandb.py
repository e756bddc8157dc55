"""Weights & Biases, offline: tiles as pictures, which it encodes as JPEG; decoding them is not counted."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import wandb
from PIL import Image

from benchmarks.peers.loop import Job, main

if TYPE_CHECKING:
    from pathlib import Path


class WandbWriter:
    """An offline run."""

    def __init__(self, _job: Job, folder: Path, _target: str) -> None:
        settings = wandb.Settings(silent=True, console="off", x_disable_stats=True)
        self._run = wandb.init(mode="offline", dir=str(folder), project="bench", settings=settings)
        self._pictures: list[Image.Image] = []

    def images(self, step: int, tiles: list[bytes], loss: float, accuracy: float) -> None:
        """See `Writer.images`; one picture for each place, so that no time goes into decoding."""
        if not self._pictures:
            self._pictures = [Image.open(io.BytesIO(tile)).convert("RGB") for tile in tiles]
        shown = [wandb.Image(picture, file_type="jpg") for picture in self._pictures]
        self._run.log({"tiles": shown, "loss": loss, "accuracy": accuracy}, step=step)

    def scalars(self, step: int, loss: float, accuracy: float) -> None:
        """See `Writer.scalars`."""
        self._run.log({"loss": loss, "accuracy": accuracy}, step=step)

    def finish(self) -> dict[str, float]:
        """Wait for its own process to write the file."""
        self._run.finish()
        return {}


if __name__ == "__main__":
    main(WandbWriter)
