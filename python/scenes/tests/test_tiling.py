import numpy as np
import pytest

from catenary_scenes import SceneInvalid, Tile, tile_scene


@pytest.mark.parametrize("shape", [(1, 1), (7, 5), (96, 96), (100, 81), (33, 64)])
@pytest.mark.parametrize("tile_size", [1, 2, 31, 32, 33, 1000])
def test_every_pixel_is_in_exactly_one_tile_of_even_size(shape: tuple[int, int], tile_size: int) -> None:
    covered = np.zeros(shape, np.int64)
    tiles = tile_scene(shape, tile_size)
    for tile in tiles:
        covered[tile.row : tile.row + tile.rows, tile.col : tile.col + tile.cols] += 1
    assert (covered == 1).all()
    assert sum(tile.rows * tile.cols for tile in tiles) == covered.size
    for sides in ({tile.rows for tile in tiles}, {tile.cols for tile in tiles}):
        assert max(sides) - min(sides) <= 1
        assert 1 <= max(sides) <= tile_size


def test_sizes_match_array_split() -> None:
    expected = [len(part) for part in np.array_split(np.arange(100), 4)]
    assert [tile.cols for tile in tile_scene((1, 100), 32)] == expected


def test_without_a_tile_size_the_scene_is_one_tile() -> None:
    assert tile_scene((100, 80), None) == (Tile(0, 0, 100, 80),)


@pytest.mark.parametrize(("shape", "tile_size"), [((0, 4), None), ((4, 0), 2), ((4, 4), 0), ((4, 4), -1)])
def test_numbers_below_one_are_refused(shape: tuple[int, int], tile_size: int | None) -> None:
    with pytest.raises(SceneInvalid):
        tile_scene(shape, tile_size)
