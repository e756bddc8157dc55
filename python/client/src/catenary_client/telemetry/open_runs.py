"""Runs that are open in this process: what becomes of them when it is copied, or ends without closing them."""

from __future__ import annotations

import atexit
import os
import weakref
from typing import Final, Protocol


class OpenRun(Protocol):
    """A run that has to be closed."""

    def close(self) -> object:
        """Wait until everything is durable."""
        ...

    def go_silent(self) -> None:
        """Log nothing from now on."""
        ...


OPEN_RUNS: Final[weakref.WeakSet[OpenRun]] = weakref.WeakSet()
"""Runs that were started and not closed."""


def _silence_copies() -> None:
    """A forked process has none of the threads: it must not fill the memory that nobody empties."""
    for run in list(OPEN_RUNS):
        run.go_silent()


def _close_all() -> None:
    for run in list(OPEN_RUNS):
        run.close()


os.register_at_fork(after_in_child=_silence_copies)
atexit.register(_close_all)
