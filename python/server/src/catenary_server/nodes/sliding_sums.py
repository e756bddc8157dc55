"""Sums over a square window around each pixel, row by row.

Box sums by running differences, as integral images give them (Crow, "Summed-area tables for texture mapping", SIGGRAPH
1984), but with two rows in memory instead of a table of the whole image: second moments of many bands are large.
"""

from __future__ import annotations

import dataclasses

import torch
from torch import Tensor


@dataclasses.dataclass(frozen=True, slots=True)
class WindowSums:
    """Sums over the windows around the pixels of one row. The next row overwrites them."""

    count: Tensor
    """Valid pixels in each window, [W]."""
    first: Tensor
    """Sum of the spectra, [W, C]."""
    second: Tensor
    """Sum of their outer products, [W, C, C]."""


class SlidingSums:
    """Window sums of the rows of an image, top to bottom; windows end at its border.

    Args:
        image: spectra [H, W, C], float64; 0 where a pixel is not valid.
        valid: 1 for pixels that count and 0 for others, [H, W], float64.
        reach: pixels that a window goes beyond its middle, in each direction.
    """

    def __init__(self, image: Tensor, valid: Tensor, reach: int) -> None:
        self._image = image
        self._valid = valid
        self._reach = reach
        self._row = 0
        width, channels = image.shape[1:]
        self._count = _Boxes(image.new_zeros(width))
        self._first = _Boxes(image.new_zeros(width, channels))
        self._second = _Boxes(image.new_zeros(width, channels, channels))
        for row in range(min(reach, len(image))):
            self._add(row, 1.0)
        columns = torch.arange(width, device=image.device)
        self._low = (columns - reach).clamp_min(0)
        self._high = (columns + reach + 1).clamp_max(width)

    def next_row(self) -> WindowSums:
        """Sums of the next row."""
        top, bottom = self._row - self._reach - 1, self._row + self._reach
        if bottom < len(self._image):
            self._add(bottom, 1.0)
        if top >= 0:
            self._add(top, -1.0)
        self._row += 1
        return WindowSums(
            count=self._count.sums(self._low, self._high),
            first=self._first.sums(self._low, self._high),
            second=self._second.sums(self._low, self._high),
        )

    def _add(self, row: int, sign: float) -> None:
        spectra = self._image[row]
        self._count.columns.add_(self._valid[row], alpha=sign)
        self._first.columns.add_(spectra, alpha=sign)
        # W outer products of C numbers each, added in place.
        self._second.columns.baddbmm_(spectra.unsqueeze(2), spectra.unsqueeze(1), alpha=sign)


class _Boxes:
    """Sums of the columns of a window's rows, and of the columns around each one; memory is allocated once."""

    def __init__(self, columns: Tensor) -> None:
        self.columns = columns
        self._running = torch.zeros_like(torch.cat([columns[:1], columns]))
        self._ends = torch.empty_like(columns)
        self._starts = torch.empty_like(columns)

    def sums(self, low: Tensor, high: Tensor) -> Tensor:
        """Sums of the columns from `low` up to `high`, exclusive, by differences of running sums."""
        torch.cumsum(self.columns, dim=0, out=self._running[1:])
        torch.index_select(self._running, 0, high, out=self._ends)
        torch.index_select(self._running, 0, low, out=self._starts)
        return self._ends.sub_(self._starts)
