"""Lets calls end and takes no new ones, when the server is asked to stop."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

from catenary_server.domain.failure import Failure, Reason

if TYPE_CHECKING:
    from collections.abc import Iterator

RETRY_AFTER_SECONDS = 5.0
"""When a server that replaces this one may be there."""


class Drain:
    """Counts the calls under way; once begun, refuses new ones."""

    def __init__(self) -> None:
        self._begun = False
        self._calls = 0
        self._idle = asyncio.Event()
        self._idle.set()

    def begin(self) -> None:
        """Refuse calls from now on."""
        self._begun = True

    @contextlib.contextmanager
    def admitted(self) -> Iterator[None]:
        """Count a call for as long as it lasts.

        Raises:
            Failure: DRAINING.
        """
        if self._begun:
            raise Failure(
                Reason.DRAINING,
                "the server is shutting down; call another one, or this one later",
                retry_after=RETRY_AFTER_SECONDS,
            )
        self._calls += 1
        self._idle.clear()
        try:
            yield
        finally:
            self._calls -= 1
            if self._calls == 0:
                self._idle.set()

    async def ended(self, grace: float) -> None:
        """Wait until no call is under way, or for `grace` seconds."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._idle.wait(), grace)
