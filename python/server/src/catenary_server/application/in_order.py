"""Works on the items of a stream at once and gives what comes of them in their order."""

from __future__ import annotations

import asyncio
import collections
import dataclasses
from typing import TYPE_CHECKING, Any, Generic, NoReturn, TypeVar

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine

T = TypeVar("T")
R = TypeVar("R")

MOST_ITEMS = 8
"""Items in work at once."""

MOST_BYTES = 64 << 20
"""Bytes of items in work at once; one item may be larger than that, alone."""


@dataclasses.dataclass(slots=True)
class _Work(Generic[R]):
    """The items in work, oldest first, with their sizes."""

    tasks: collections.deque[tuple[asyncio.Task[R], int]] = dataclasses.field(default_factory=collections.deque)

    @property
    def has_room(self) -> bool:
        return len(self.tasks) < MOST_ITEMS and sum(size for _, size in self.tasks) < MOST_BYTES

    @property
    def oldest(self) -> tuple[asyncio.Task[R], ...]:
        return (self.tasks[0][0],) if self.tasks else ()


async def in_order(
    items: AsyncIterator[T],
    work: Callable[[T], Coroutine[Any, Any, R]],
    size: Callable[[T], int],
    ended: Callable[[], Coroutine[Any, Any, NoReturn]],
) -> AsyncGenerator[R, None]:
    """What `work` returns for each item, in the order of the items.

    No item is taken while as many as may be are in work or wait to be given out: whoever sends them feels it.

    Args:
        items: the stream.
        work: what to do with an item; what it raises ends everything.
        size: bytes of an item.
        ended: raises when the stream must end, whatever is in work.
    """
    running: _Work[R] = _Work()
    end: asyncio.Task[NoReturn] = asyncio.create_task(ended())
    reading: asyncio.Task[tuple[T] | None] | None = asyncio.create_task(_next(items))
    try:
        while reading is not None or running.tasks:
            waited = (end, *running.oldest, *((reading,) if reading is not None and running.has_room else ()))
            await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
            if end.done():
                end.result()
            if reading is not None and reading.done() and running.has_room:
                taken = reading.result()
                reading = None
                if taken is not None:
                    running.tasks.append((asyncio.create_task(work(taken[0])), size(taken[0])))
                    reading = asyncio.create_task(_next(items))
            if running.tasks and running.tasks[0][0].done():
                yield running.tasks.popleft()[0].result()
    finally:
        left: list[asyncio.Task[Any]] = [end, *(task for task, _ in running.tasks)]
        left += [] if reading is None else [reading]
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)


async def _next(items: AsyncIterator[T]) -> tuple[T] | None:
    async for item in items:
        return (item,)
    return None
