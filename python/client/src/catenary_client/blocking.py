"""Methods of asynchronous classes for programs without asyncio: run on a loop in a thread.

`blocking` and `streaming` turn a method of an asynchronous class into one of its blocking twin, with the same arguments
and documentation, so that nothing is written twice.
"""

from __future__ import annotations

import asyncio
import functools
import threading
from typing import TYPE_CHECKING, Any, Concatenate, Generic, ParamSpec, TypeVar

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine, Generator

P = ParamSpec("P")
T = TypeVar("T")
AsyncT = TypeVar("AsyncT")
AsyncT_co = TypeVar("AsyncT_co", covariant=True)


class EventLoopThread:
    """An event loop in a daemon thread of its own, for as long as a blocking client lives."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="catenary-client", daemon=True)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine in the loop and wait for it; an interrupt from the keyboard cancels it."""
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise

    def iterate(self, source: AsyncIterator[T]) -> Generator[T, None, None]:
        """The values of an asynchronous iterator, which is closed when the iteration is left."""
        try:
            while True:
                try:
                    yield self.run(_next(source))
                except StopAsyncIteration:
                    return
        finally:
            # The client may be gone before an iteration that was left is collected.
            if not self.stopped:
                self.run(_closed(source))

    @property
    def stopped(self) -> bool:
        """Whether `stop` was called."""
        return self._loop.is_closed()

    def stop(self) -> None:
        """End loop and thread."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


class Blocking(Generic[AsyncT_co]):
    """Base of the blocking twins.

    Args:
        loop: where the asynchronous object lives.
        counterpart: the asynchronous object.
    """

    def __init__(self, loop: EventLoopThread, counterpart: AsyncT_co) -> None:
        self._loop = loop
        self._async = counterpart


def blocking(
    method: Callable[Concatenate[AsyncT, P], Coroutine[Any, Any, T]],
) -> Callable[Concatenate[Blocking[AsyncT], P], T]:
    """The blocking form of a coroutine method."""

    @functools.wraps(method)
    def call(self: Blocking[AsyncT], /, *args: P.args, **kwargs: P.kwargs) -> T:
        return self._loop.run(method(self._async, *args, **kwargs))

    return call


def streaming(
    method: Callable[Concatenate[AsyncT, P], AsyncIterator[T]],
) -> Callable[Concatenate[Blocking[AsyncT], P], Generator[T, None, None]]:
    """The blocking form of a method that is an asynchronous generator; `close` leaves it early."""

    @functools.wraps(method)
    def iterate(self: Blocking[AsyncT], /, *args: P.args, **kwargs: P.kwargs) -> Generator[T, None, None]:
        return self._loop.iterate(method(self._async, *args, **kwargs))

    return iterate


async def _next(source: AsyncIterator[T]) -> T:
    return await anext(source)


async def _closed(source: AsyncIterator[T]) -> None:
    close = getattr(source, "aclose", None)
    if close is not None:
        await close()
