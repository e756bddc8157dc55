"""Cutting a scene into tiles that cover every pixel exactly once."""

from dataclasses import dataclass
from itertools import accumulate

from catenary_scenes.errors import SceneInvalid


@dataclass(frozen=True, slots=True)
class Tile:
    """A rectangle of pixels: `cube[tile.row : tile.row + tile.rows, tile.col : tile.col + tile.cols]`."""

    row: int
    """First row, from 0."""
    col: int
    """First column, from 0."""
    rows: int
    """Height in pixels, >= 1."""
    cols: int
    """Width in pixels, >= 1."""


def tile_scene(scene_shape: tuple[int, int], tile_size: int | None) -> tuple[Tile, ...]:
    """Partition a scene into tiles of at most `tile_size` x `tile_size` pixels, row by row.

    Tiles are as equal as can be (heights differ by at most one pixel, and so do widths): a sliver left over at the
    border would have too few pixels for the statistics of a tile.

    Args:
        scene_shape: rows and cols, each >= 1.
        tile_size: longest side of a tile in pixels, >= 1; None = the whole scene as one tile.

    Raises:
        SceneInvalid: a number is below 1.
    """
    rows, cols = scene_shape
    if min(rows, cols) < 1:
        raise SceneInvalid(f"a scene of {rows} x {cols} pixels has no tiles: give at least one row and column")
    if tile_size is not None and tile_size < 1:
        raise SceneInvalid(f"tile size {tile_size} is out of range: give 1 or more pixels, or none for the whole scene")
    columns = _split(cols, tile_size)
    return tuple(Tile(row, col, height, width) for row, height in _split(rows, tile_size) for col, width in columns)


def _split(length: int, tile_size: int | None) -> list[tuple[int, int]]:
    """(start, length) of the fewest parts of at most `tile_size`, the longer ones first."""
    parts = 1 if tile_size is None else -(-length // tile_size)
    shortest, longer = divmod(length, parts)
    sizes = [shortest + 1] * longer + [shortest] * (parts - longer)
    starts = accumulate(sizes, initial=0)
    return list(zip(starts, sizes, strict=False))
