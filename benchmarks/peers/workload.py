"""What is logged: sixteen JPEG tiles and two scalars for each step, the same for every tool; no two tiles are equal."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TILES: Final = 16
PIXELS: Final = 256
_BATCHES: Final = 8
_NOISE: Final = 156
"""Rows of noise in a tile of 256."""


def write_tiles(folder: Path) -> None:
    """Make the tiles: partly noise, partly flat colour, so that one takes about 30 kB, as a photograph does.

    Needs numpy and Pillow.
    """
    import io  # noqa: PLC0415 - the programs of other tools come here without numpy

    import numpy as np  # noqa: PLC0415
    from PIL import Image  # noqa: PLC0415

    folder.mkdir(parents=True, exist_ok=True)
    chance = np.random.default_rng(1)
    for number in range(_BATCHES * TILES):
        pixels = np.full((PIXELS, PIXELS, 3), chance.integers(0, 255, 3), np.uint8)
        pixels[:_NOISE] = chance.integers(0, 255, (_NOISE, PIXELS, 3), np.uint8)
        target = io.BytesIO()
        Image.fromarray(pixels).save(target, "JPEG", quality=85)
        (folder / f"{number:04d}.jpg").write_bytes(target.getvalue())


def batches(folder: Path) -> Iterator[list[bytes]]:
    """Tiles of one step after the other, for ever; each ends in a number of its own behind the end of the picture."""
    files = [path.read_bytes() for path in sorted(folder.glob("*.jpg"))]
    for step in itertools.count():
        first = step % _BATCHES * TILES
        yield [tile + (step * TILES).to_bytes(8, "big") for tile in files[first : first + TILES]]
