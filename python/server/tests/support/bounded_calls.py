"""What a bounded process is asked to do in tests."""

from __future__ import annotations

import os

from catenary_server.domain.failure import Failure, Reason


def double(number: int) -> int:
    """Return something."""
    return 2 * number


def refuse(message: str) -> None:
    """Raise a failure."""
    raise Failure(Reason.CONFIG_INVALID, message)


def spin(_argument: object) -> None:
    """Take time for ever."""
    while True:
        pass


def swell(_argument: object) -> int:
    """Take memory for ever."""
    return len(bytearray(1 << 40))


def leave(code: int) -> None:
    """End the process."""
    os._exit(code)
