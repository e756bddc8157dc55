"""Bounds how many frames a page may send."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class FrameRate:
    """A bucket of tokens, one for each frame, that fills evenly.

    Args:
        per_second: frames that may come in the long run.
        at_once: frames that may come in a burst.
        clock: monotonic seconds.
    """

    def __init__(self, per_second: float, at_once: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._per_second = per_second
        self._at_once = at_once
        self._clock = clock
        self._tokens = at_once
        self._filled = clock()

    def take(self) -> bool:
        """Count a frame; False if it is one too many."""
        now = self._clock()
        self._tokens = min(self._at_once, self._tokens + (now - self._filled) * self._per_second)
        self._filled = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True
