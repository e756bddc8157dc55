"""What a log call leaves for the threads behind it: references, no encoding."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from catenary_client.telemetry.predictions import Prediction

    Tiles: TypeAlias = "tuple[bytes, ...] | tuple[NDArray[np.generic], ...]"
    Scores: TypeAlias = "NDArray[np.generic] | Sequence[Prediction] | None"


class Kind(enum.IntEnum):
    """What a message is; the numbers are in the files of the spill."""

    EVENT = 1
    """Status or epoch."""
    METRICS = 2
    RESULT = 3
    """Of a command."""
    GAP = 4
    PERFORMANCE = 5
    BATCH = 6
    """A batch without images."""
    IMAGES = 7
    """A batch with encoded images."""
    RAW_IMAGES = 8
    """A batch with images that are still to be encoded."""


class Scalars(NamedTuple):
    """Values of one step."""

    step: int
    time_ms: int
    values: Mapping[str, float]


class Event(NamedTuple):
    """A message that was rare enough to be built at once."""

    kind: Kind
    body: bytes
    """A serialised `StreamTelemetryRequest` with its payload, without run, sequence and epoch."""


class Batch:
    """One batch, as the training loop gave it.

    Attributes:
        tiles: encoded images, or arrays that nobody else holds; empty without images.
        image_bytes: what the tiles take, as the ring counts it.
        ready: whether every tile is encoded.
        submitted: whether somebody encodes them.
    """

    __slots__ = (
        "accuracy",
        "epoch",
        "ground_truth",
        "image_bytes",
        "index",
        "loss",
        "predictions",
        "ready",
        "size",
        "step",
        "submitted",
        "tiles",
        "time_ms",
    )

    def __init__(  # noqa: PLR0917 - names cost the training thread twice as much, as its caches are cold
        self,
        epoch: int,
        index: int,
        size: int,
        step: int,
        time_ms: int,
        loss: float,
        accuracy: float,
        predictions: Scores,
        ground_truth: Sequence[int] | NDArray[np.generic] | None,
        tiles: Tiles,
        image_bytes: int,
        ready: bool,  # noqa: FBT001 - see above
    ) -> None:
        self.epoch = epoch
        self.index = index
        self.size = size
        self.step = step
        self.time_ms = time_ms
        self.loss = loss
        self.accuracy = accuracy
        self.predictions = predictions
        self.ground_truth = ground_truth
        self.tiles = tiles
        self.image_bytes = image_bytes
        self.ready = ready
        self.submitted = False

    def without_images(self) -> None:
        """Leave the images out; what they show stays."""
        self.tiles = ()
        self.image_bytes = 0
        self.ready = True


Small: TypeAlias = "Scalars | Event | Batch"
"""What travels ahead of batches with images, and is never dropped."""
