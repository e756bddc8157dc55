"""What can go wrong in a training loop on account of its telemetry, or of those who steer it."""

from __future__ import annotations


class TelemetryError(Exception):
    """Any failure of telemetry that a training loop sees."""


class TelemetryOverflow(TelemetryError):
    """Scalars or events found no room in memory nor on the disk, and may not be dropped."""


class TrainingStopped(Exception):
    """A command or the convergence of the training ends it. `with Run(...)` swallows it.

    Args:
        reason: for people.
        completed: whether the training ended as planned, rather than by a command.
    """

    def __init__(self, reason: str, *, completed: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.completed = completed
