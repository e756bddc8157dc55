"""Implanting targets of known share into a background: where the ground truth of a generated scene comes from."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from catenary_scenes.errors import SceneInvalid

_NEIGHBOURS = ((-1, 0), (1, 0), (0, -1), (0, 1))


@dataclass(frozen=True, kw_only=True)
class Implant:
    """How many targets, how large and how strong."""

    clusters: int
    """Number of connected clusters."""
    pixels_max: int
    """Pixels of the largest cluster; the smallest has one."""
    abundance: tuple[float, float]
    """Range of the target's share f in a pixel."""


def implant_targets(
    background: NDArray[np.float64], targets: NDArray[np.float64], implant: Implant, rng: np.random.Generator
) -> NDArray[np.int32]:
    """Mix targets into `background` in place: x = (1 - f) b + f t (Stefanou and Kerekes 2009).

    Args:
        background: [rows, cols, bands], changed in place.
        targets: [targets, bands]; each cluster takes one of them.
        implant: number, size and strength.
        rng: source of every draw.

    Returns:
        Mask [rows, cols]: 0 = background, 1 to `clusters` = the cluster a pixel belongs to.

    Raises:
        SceneInvalid: the clusters do not fit without touching each other.
    """
    mask = np.zeros(background.shape[:2], dtype=np.int32)
    low, high = implant.abundance
    for label in range(1, implant.clusters + 1):
        pixels = _grow_cluster(mask, int(rng.integers(1, implant.pixels_max + 1)), rng)
        target = targets[rng.integers(len(targets))]
        strength = rng.uniform(low, high)
        for row, col in pixels:
            # An object's border pixels hold less of it than its centre: the first pixel drawn is the centre.
            share = strength if (row, col) == pixels[0] else rng.uniform(low, strength)
            background[row, col] = (1.0 - share) * background[row, col] + share * target
            mask[row, col] = label
    return mask


def _grow_cluster(mask: NDArray[np.int32], size: int, rng: np.random.Generator) -> list[tuple[int, int]]:
    """Connected pixels, at most `size`, none of which touches an earlier cluster; the seed pixel comes first."""
    free = ~ndimage.binary_dilation(mask > 0, structure=np.ones((3, 3), dtype=np.bool_))
    candidates = np.argwhere(free)
    if not len(candidates):
        raise SceneInvalid(
            "the anomalies do not fit without touching: ask for fewer or smaller ones, or a larger scene"
        )
    row, col = (int(index) for index in candidates[rng.integers(len(candidates))])
    pixels = [(row, col)]
    frontier = _free_neighbours(free, row, col)
    while frontier and len(pixels) < size:
        grown = frontier.pop(int(rng.integers(len(frontier))))
        pixels.append(grown)
        frontier += [pixel for pixel in _free_neighbours(free, *grown) if pixel not in pixels and pixel not in frontier]
    return pixels


def _free_neighbours(free: NDArray[np.bool_], row: int, col: int) -> list[tuple[int, int]]:
    rows, cols = free.shape
    around = ((row + down, col + right) for down, right in _NEIGHBOURS)
    return [(r, c) for r, c in around if 0 <= r < rows and 0 <= c < cols and free[r, c]]
