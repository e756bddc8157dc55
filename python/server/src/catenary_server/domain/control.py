"""Steering a run while it goes on: what may be asked, and what became of it."""

from __future__ import annotations

import dataclasses
import enum
import math
from typing import TYPE_CHECKING

from catenary_server.domain.failure import Failure, Reason, Violation

if TYPE_CHECKING:
    from collections.abc import Mapping

    from catenary_server.domain.training import TrainStatus


class ControlAction(enum.StrEnum):
    """What can be asked of a run. Everything takes effect between two batches."""

    PAUSE = "PAUSE"
    RESUME = "RESUME"
    STOP = "STOP"
    LEARNING_RATE = "LEARNING_RATE"
    BATCH_SIZE = "BATCH_SIZE"


@dataclasses.dataclass(frozen=True, slots=True)
class Bounds:
    """Least and greatest argument of an action; both may be reached."""

    least: float
    greatest: float


BOUNDS: Mapping[ControlAction, Bounds] = {
    ControlAction.LEARNING_RATE: Bounds(1e-12, 10.0),
    ControlAction.BATCH_SIZE: Bounds(1, 4096),
}
"""Actions with an argument: the same greatest values as `OptimizerConfig.lr` and `DataConfig.batch_size` have."""


@dataclasses.dataclass(frozen=True, slots=True)
class Command:
    """One thing asked of a run.

    Attributes:
        action: what.
        value: the new learning rate or batch size, None for the other actions.
        expire_time: Unix seconds after which it must not take effect any more; None means never.
    """

    action: ControlAction
    value: float | None = None
    expire_time: float | None = None

    def check(self) -> None:
        """Refuse an argument that is missing, superfluous, out of bounds or, for a batch size, no whole number.

        Raises:
            Failure: COMMAND_INVALID.
        """
        bounds = BOUNDS.get(self.action)
        if bounds is None:
            if self.value is not None:
                raise refused(f"{self.action} takes no argument")
            return
        if self.value is None or not math.isfinite(self.value) or not bounds.least <= self.value <= bounds.greatest:
            raise refused(f"{self.action} takes a number from {bounds.least:g} to {bounds.greatest:g}")
        if self.action is ControlAction.BATCH_SIZE and self.value != int(self.value):
            raise refused(f"{self.action} takes a whole number")


@dataclasses.dataclass(frozen=True, slots=True)
class Applied:
    """A command that took effect: the setting before and after, and how many optimizer steps were done then."""

    step: int
    old: TrainStatus | float
    new: TrainStatus | float


def refused(message: str) -> Failure:
    """A command that the run cannot obey."""
    return Failure(Reason.COMMAND_INVALID, message, violations=(Violation("command", message),))
