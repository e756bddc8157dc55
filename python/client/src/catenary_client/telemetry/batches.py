"""Takes a batch from the training loop: references to what nobody changes, copies of what may be used again."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from catenary_client.telemetry.predictions import take_scores
from catenary_client.telemetry.records import Batch
from catenary_client.telemetry.tiles import own_copy, snapshot

if TYPE_CHECKING:
    from collections.abc import Sequence

    from catenary_client.telemetry.predictions import Prediction
    from catenary_client.telemetry.records import Tiles
    from catenary_client.telemetry.tiles import ArrayLike

_NO_TILES: Final[tuple[Tiles, int]] = ((), 0)
_MOST_SAMPLES: Final = 64
"""Samples whose predictions and labels are kept when there are no images to match them."""


def take_batch(  # noqa: PLR0917 - by position, as `Batch`
    epoch: int,
    index: int,
    step: int,
    loss: float,
    accuracy: float,
    images: ArrayLike | Sequence[bytes] | None,
    predictions: ArrayLike | Sequence[Prediction] | None,
    ground_truth: ArrayLike | Sequence[int] | None,
    batch_size: int | None,
    most_tiles: int,
) -> Batch:
    """What `Run.log_batch` was given, as it is now; at most `most_tiles` images are shown, none of this batch if 0.

    Raises:
        TypeError, ValueError: if images or predictions are of no kind that it takes.
    """
    tiles, size = _NO_TILES if images is None or not most_tiles else snapshot(images, most_tiles)
    samples = len(tiles) or _MOST_SAMPLES
    if batch_size is None:
        shown = images if predictions is None else predictions
        batch_size = 0 if shown is None else len(shown)
    return Batch(
        epoch,
        index,
        batch_size,
        step,
        time.time_ns() // 1_000_000,
        loss if type(loss) is float else float(loss),
        accuracy if type(accuracy) is float else float(accuracy),
        None if predictions is None else take_scores(predictions, samples),
        None if ground_truth is None else own_copy(ground_truth)[:samples],
        tiles,
        size,
        not tiles or type(tiles[0]) is bytes,
    )
