"""Who runs which cases next."""

from __future__ import annotations

import collections
from typing import TYPE_CHECKING

from catenary_conformance.lanes.messages import Group

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import pytest

MOST_IN_A_GROUP = 40
"""Cases of a file that one lane runs in a row; the more, the longer the others wait for it at the end."""


def groups_of(items: Sequence[pytest.Item]) -> tuple[Group, ...]:
    """Cases in their order, in groups of one file; slow ones each by itself."""
    found: list[Group] = []
    for place, item in enumerate(items):
        alone = item.get_closest_marker("alone") is not None
        last = found[-1] if found else None
        if last is not None and _continues(items, last, item, alone=alone):
            found[-1] = Group(last.start, place + 1, alone)
        else:
            found.append(Group(place, place + 1, alone))
    return tuple(found)


def _continues(items: Sequence[pytest.Item], group: Group, item: pytest.Item, *, alone: bool) -> bool:
    """Whether a case belongs to the group before it."""
    first = items[group.start]
    slow = any(each.get_closest_marker("slow") for each in (first, item))
    room = group.end - group.start < MOST_IN_A_GROUP
    return first.path == item.path and group.alone == alone and room and not slow


class Dealer:
    """Deals groups to lanes as they ask for them; those that must run alone when every other lane rests, at the end."""

    def __init__(self, groups: Sequence[Group], lanes: int) -> None:
        self._together = collections.deque(each for each in groups if not each.alone)
        self._alone = collections.deque(each for each in groups if each.alone)
        self._working = set(range(lanes))
        self._resting: list[int] = []

    def asked(self, lane: int) -> Iterator[tuple[int, Group | None]]:
        """A lane has nothing to do: what to tell to which lane now. None tells it that nothing is left for it."""
        if self._together:
            yield lane, self._together.popleft()
            return
        self._resting.append(lane)
        self._working.discard(lane)
        yield from self._next()

    def left(self, lane: int) -> Iterator[tuple[int, Group | None]]:
        """A lane has ended, whatever it was about: what to tell to which lane now."""
        self._working.discard(lane)
        if lane in self._resting:
            self._resting.remove(lane)
        yield from self._next()

    def _next(self) -> Iterator[tuple[int, Group | None]]:
        if self._working or not self._resting:
            return
        if self._together or self._alone:
            lane = self._resting.pop(0)
            self._working.add(lane)
            yield lane, (self._together or self._alone).popleft()
            return
        while self._resting:
            yield self._resting.pop(0), None
