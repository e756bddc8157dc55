"""What the server says to a training, and the place where it waits until the training takes it."""

from __future__ import annotations

import asyncio
import collections
import dataclasses
from typing import TYPE_CHECKING, Final, TypeAlias

from catenary_server.domain.failure import Failure, Reason

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from catenary_server.domain.telemetry import Command

MOST_WAITING: Final = 10_000
"""Replies that may wait for a training that does not read them."""


@dataclasses.dataclass(frozen=True, slots=True)
class Acknowledged:
    """Everything up to `received` arrived, everything up to `durable` is safe."""

    run_id: str
    received: int
    durable: int


@dataclasses.dataclass(frozen=True, slots=True)
class BatchAcknowledged:
    """One batch of a writer that does not number is safe."""

    run_id: str
    batch_index: int


@dataclasses.dataclass(frozen=True, slots=True)
class Commanded:
    """A command to obey."""

    run_id: str
    command: Command


@dataclasses.dataclass(frozen=True, slots=True)
class Credited:
    """How much the writer may have sent and not yet seen as received."""

    run_id: str
    image_messages: int
    message_bytes: int


@dataclasses.dataclass(frozen=True, slots=True)
class Rejected:
    """A message, or one image of it, that was not taken; the stream goes on."""

    run_id: str
    reason: Reason
    message: str
    sequence: int | None = None
    image_index: int | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class Faulted:
    """A fault, told to a writer that does not number."""

    run_id: str
    reason: Reason
    message: str


Reply: TypeAlias = Acknowledged | BatchAcknowledged | Commanded | Credited | Rejected | Faulted


class Outbox:
    """Replies on their way. Cumulative acknowledgments are merged, everything else goes out in order."""

    def __init__(self) -> None:
        self._waiting: collections.deque[Reply] = collections.deque()
        self._acknowledged: Acknowledged | None = None
        self._changed = asyncio.Event()
        self._end: BaseException | None = None
        self._ended = False

    def put(self, reply: Reply) -> None:
        """Send a reply; the stream ends if nobody reads."""
        if isinstance(reply, Acknowledged):
            self._acknowledged = reply
        elif len(self._waiting) < MOST_WAITING:
            self._waiting.append(reply)
        else:
            self.end(Failure(Reason.BUFFER_FULL, "the stream is not being read; read what the server says"))
        self._changed.set()

    def end(self, error: BaseException | None = None) -> None:
        """End the stream behind what waits, with an error or well; the first end counts."""
        if not self._ended:
            self._ended, self._end = True, error
        self._changed.set()

    @property
    def ended(self) -> bool:
        """True once the stream is to end."""
        return self._ended

    async def replies(self) -> AsyncGenerator[Reply, None]:
        """Every reply, to the end.

        Raises:
            Failure: with which the stream ends.
        """
        while True:
            while self._waiting or self._acknowledged is not None:
                if self._acknowledged is not None:
                    merged, self._acknowledged = self._acknowledged, None
                    yield merged
                if self._waiting:
                    yield self._waiting.popleft()
            if self._ended:
                break
            self._changed.clear()
            await self._changed.wait()
        if self._end is not None:
            raise self._end
