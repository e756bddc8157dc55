from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, NoReturn

import pytest

from catenary_server.application.in_order import MOST_BYTES, MOST_ITEMS, in_order

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Callable

DEADLINE = 20.0


class Source:
    """Numbers, and how many of them were taken."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.taken = 0

    async def __aiter__(self) -> AsyncIterator[int]:
        for number in range(self.count):
            self.taken += 1
            yield number


async def never() -> NoReturn:
    await asyncio.Event().wait()
    raise AssertionError


def ordered(
    source: Source, gates: list[asyncio.Event], size: Callable[[int], int] = lambda _: 1
) -> AsyncGenerator[int, None]:
    async def work(number: int) -> int:
        await gates[number].wait()
        return number * 10

    return in_order(aiter(source), work, size, never)


async def settled() -> None:
    """Let everything happen that can happen now."""
    for _ in range(200):
        await asyncio.sleep(0)


async def test_results_come_in_the_order_of_items_whichever_is_done_first() -> None:
    gates = [asyncio.Event() for _ in range(5)]
    results = ordered(Source(5), gates)
    first = asyncio.create_task(anext(results))
    for gate in reversed(gates):
        await settled()
        assert not first.done()
        gate.set()
    async with asyncio.timeout(DEADLINE):
        assert [await first, *[each async for each in results]] == [0, 10, 20, 30, 40]


async def test_no_more_items_are_taken_than_may_be_in_work() -> None:
    gates = [asyncio.Event() for _ in range(50)]
    source = Source(50)
    results = ordered(source, gates)
    first = asyncio.create_task(anext(results))
    await settled()
    assert source.taken == MOST_ITEMS + 1
    gates[0].set()
    assert await first == 0
    await settled()
    assert source.taken == MOST_ITEMS + 1  # nobody asks for the next result: the sender waits
    await results.aclose()


async def test_large_items_are_taken_one_by_one() -> None:
    gates = [asyncio.Event() for _ in range(5)]
    source = Source(5)
    results = ordered(source, gates, lambda _: MOST_BYTES)
    first = asyncio.create_task(anext(results))
    await settled()
    assert source.taken == 2
    gates[0].set()
    assert await first == 0
    await results.aclose()


async def test_leaving_ends_the_work_that_goes_on() -> None:
    ended = []

    async def work(number: int) -> int:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(number)
        return number

    results = in_order(aiter(Source(3)), work, lambda _: 1, never)
    first = asyncio.create_task(anext(results))
    await settled()
    first.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await first
    assert sorted(ended) == [0, 1, 2]


async def test_the_end_is_heard_while_nothing_comes() -> None:
    over = asyncio.Event()

    async def end() -> NoReturn:
        await over.wait()
        raise RuntimeError("closed")

    async def silent() -> AsyncIterator[int]:
        await asyncio.Event().wait()
        yield 1

    async def work(number: int) -> int:
        return number

    first = asyncio.create_task(anext(in_order(silent(), work, lambda _: 1, end)))
    await settled()
    over.set()
    async with asyncio.timeout(DEADLINE):
        with pytest.raises(RuntimeError, match="closed"):
            await first


async def test_a_fault_of_the_source_ends_the_results() -> None:
    async def broken() -> AsyncIterator[int]:
        yield 1
        raise RuntimeError("malformed")

    async def work(number: int) -> int:
        return number

    with pytest.raises(RuntimeError, match="malformed"):
        async for _ in in_order(broken(), work, lambda _: 1, never):
            pass
