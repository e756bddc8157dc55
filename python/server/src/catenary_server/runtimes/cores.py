"""Who computes where while sessions train: some cores are the front end's, the others the training's.

A thread that is woken on a core where another one computes waits until that one's slice of time is over, milliseconds
on Linux whatever the priorities. A request wakes threads of the front end several times on its way, so that every
session would feel the training of one. Nothing is divided while nobody trains.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
from pathlib import Path
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

CORES_OF_A_SHARE = 8
"""One core of so many is the front end's, at least one."""


@dataclasses.dataclass(frozen=True, slots=True)
class Shares:
    """The cores that this process may use, divided: both shares are all of them if there is only one."""

    front_end: frozenset[int]
    training: frozenset[int]

    @classmethod
    def of(cls, cores: Collection[int], front_end: int | None = None) -> Self:
        """Divide cores.

        Args:
            cores: numbers of the cores that may be used.
            front_end: how many the front end gets while somebody trains; None: one of eight; 0: nothing is divided.
        """
        ordered = sorted(cores)
        wanted = max(1, len(ordered) // CORES_OF_A_SHARE) if front_end is None else front_end
        kept = min(wanted, len(ordered) - 1)
        if kept == 0:
            return cls(frozenset(ordered), frozenset(ordered))
        return cls(frozenset(ordered[:kept]), frozenset(ordered[kept:]))


class FrontEndCores:
    """Keeps the front end to its own cores while runs go on. Used on one event loop only.

    Args:
        shares: whose cores are whose.
    """

    def __init__(self, shares: Shares) -> None:
        self.shares = shares
        self._all = shares.front_end | shares.training
        self._runs = 0

    @contextlib.contextmanager
    def while_training(self) -> Iterator[None]:
        """A run goes on; with the last of them the front end has all cores again."""
        self._runs += 1
        if self._runs == 1:
            _confine_process(self.shares.front_end)
        try:
            yield
        finally:
            self._runs -= 1
            if self._runs == 0:
                _confine_process(self._all)


def confine_thread(cores: Collection[int]) -> None:
    """Let the calling thread, and what it starts from now on, compute on these cores only."""
    with contextlib.suppress(OSError):  # cores that were taken from the machine meanwhile: run wherever there is room
        os.sched_setaffinity(0, cores)


def _confine_process(cores: Collection[int]) -> None:
    """The same for every thread of this process; one that starts meanwhile has the cores of who starts it."""
    for thread in Path("/proc/self/task").iterdir():
        with contextlib.suppress(OSError):  # a thread that has just ended
            os.sched_setaffinity(int(thread.name), cores)
