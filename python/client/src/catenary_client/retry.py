"""When and how long to wait before a call is sent again."""

from __future__ import annotations

import dataclasses
import random


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """Exponential back-off with jitter.

    What may be sent again is not decided here: the contract says it for each reason, and for each RPC.
    """

    attempts: int = 5
    """How often a call is sent at most; 1 switches retries off."""
    initial_seconds: float = 0.2
    """Wait before the second attempt."""
    factor: float = 2.0
    """By what each further wait grows."""
    max_seconds: float = 10.0
    """The longest wait, unless the server asks for more."""
    jitter: float = 0.5
    """Random part of each wait, 0 to 1, so that clients that failed together do not come back together."""

    def delay(self, attempt: int, retry_after: float | None = None) -> float:
        """Seconds to wait after the failed attempt of this number, counted from 1; never less than the server asks."""
        backoff = min(self.max_seconds, self.initial_seconds * self.factor ** (attempt - 1))
        # Jitter spreads load; nothing depends on its being unguessable.
        spread = backoff * (1.0 - self.jitter * random.random())  # noqa: S311
        return spread if retry_after is None else max(spread, retry_after)


NO_RETRY = RetryPolicy(attempts=1)
"""Every call is sent once."""
