"""A stream whose messages are made when they are asked for, in place of a training's."""

from __future__ import annotations

import asyncio
import dataclasses
from typing import TYPE_CHECKING, Any

from wire_client import method

from catenary_server.transport.routes import Route, Routes

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from catenary_server.transport.call import Call
    from catenary_server.transport.front_end import FrontEnd

NAME = "WatchTraining"


class MessageSource:
    """Answers WatchTraining with the numbers from 1 on.

    Attributes:
        made: how many messages were asked for.
        last: after which one the stream ends.
        size: bytes of each message.
        failure: raised in place of the end.
    """

    def __init__(self) -> None:
        self.made = 0
        self.last = 1_000_000
        self.size = 0
        self.failure: Exception | None = None
        self.under_way = 0
        self._changed = asyncio.Event()

    def behind(self, front: FrontEnd) -> FrontEnd:
        """The front end, with this in the place of what answers."""
        path = method(NAME).path
        routes = {**front.routes.routes, path: Route(method(NAME), self._watch)}
        return dataclasses.replace(front, routes=Routes(routes, front.routes.capabilities))

    async def until(self, *, under_way: int) -> None:
        """Wait until so many calls are under way."""
        async with asyncio.timeout(10):
            while self.under_way != under_way:
                self._changed.clear()
                await self._changed.wait()

    async def _watch(self, _request: Any, _call: Call) -> AsyncGenerator[bytes, None]:
        self._move(1)
        try:
            while self.made < self.last:
                self.made += 1
                yield str(self.made).encode().ljust(self.size)
            if self.failure is not None:
                raise self.failure
        finally:
            self._move(-1)

    def _move(self, by: int) -> None:
        self.under_way += by
        self._changed.set()
