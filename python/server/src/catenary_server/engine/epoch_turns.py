"""Hands batches to Lightning at the last moment, so that a change of their size is felt by the very next one."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from catenary_server.engine.pipeline_module import Batch
    from catenary_server.engine.scene_batches import SceneBatches


class Turn:
    """Stands for the next batch, whichever that will be."""


class EpochTurns:
    """One turn for each batch of an epoch.

    Lightning fetches one item ahead to know which is the last. If items were batches, the one after a change would
    still have the old size; and the length of an epoch, which changes too, would have been read at its start.

    Args:
        batches: what the turns stand for.
    """

    def __init__(self, batches: SceneBatches) -> None:
        self.batches = batches
        self._pass: Iterator[Batch] = iter(())

    def begin_epoch(self) -> None:
        """Put the batches of an epoch in order; turns may have been asked for before."""
        self._pass = iter(self.batches)

    def draw(self) -> Batch:
        """The batch whose turn it is."""
        return next(self._pass)

    def __iter__(self) -> Iterator[Turn]:
        """Turns; after the first, each is asked for while the batch before it is still to be drawn."""
        yield Turn()
        while self.batches.remaining > 1:
            yield Turn()
