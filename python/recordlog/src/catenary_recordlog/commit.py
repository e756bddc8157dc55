"""Makes records durable in a thread of its own, many at a time."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Protocol, Self

from catenary_recordlog.errors import LogError

if TYPE_CHECKING:
    from types import TracebackType


class Committed(Protocol):
    """What can be made durable."""

    def sync(self) -> int:
        """Make everything durable that was appended before; failures are the owner's to report."""
        ...


class GroupCommit:
    """One thread that makes any number of logs durable, each at most `interval` seconds after an append.

    The thread waits while there is nothing to do. Between two rounds lie at least `interval` seconds unless somebody
    asks for one with `hurry`.

    Args:
        interval: seconds in which appends are gathered.
    """

    def __init__(self, interval: float = 0.1) -> None:
        self._interval = interval
        self._changed = threading.Condition()
        self._waiting: dict[Committed, None] = {}
        self._hurried = False
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="recordlog-commit", daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def mark(self, log: Committed) -> None:
        """Have a log made durable in the next round."""
        with self._changed:
            if log not in self._waiting:
                self._waiting[log] = None
                self._changed.notify()

    def hurry(self) -> None:
        """Begin the next round now."""
        with self._changed:
            self._hurried = True
            self._changed.notify()

    def close(self) -> None:
        """Make durable what waits, and end the thread."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join()

    def _run(self) -> None:
        while (logs := self._next_round()) is not None:
            for log in logs:
                try:
                    log.sync()
                except LogError:
                    continue  # the log keeps its failure, tells its owner, and refuses the next append

    def _next_round(self) -> list[Committed] | None:
        """Wait for the logs of the next round; None when all is done and the thread has to end."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._closed)
            deadline = time.monotonic() + self._interval
            while not (self._hurried or self._closed):
                remaining = deadline - time.monotonic()
                if remaining <= 0:
                    break
                self._changed.wait(remaining)
            self._hurried = False
            logs = list(self._waiting)
            self._waiting.clear()
            return logs if logs or not self._closed else None
