"""How fast a training goes, and when it will be done."""

from __future__ import annotations

import dataclasses

from catenary.telemetry.v1 import telemetry_pb2


@dataclasses.dataclass(frozen=True, slots=True)
class Plan:
    """How long a training is; 0 for what is not known."""

    total_epochs: int = 0
    batches_per_epoch: int = 0

    @property
    def total_batches(self) -> int:
        """Batches of the whole training."""
        return self.total_epochs * self.batches_per_epoch


class Speedometer:
    """Counts batches. The training thread ticks; every so many ticks there are new figures.

    Args:
        every: batches between two figures; 0 for none.
        plan: what the estimates are made from.
        start_ns: monotonic time at which the first batch begins.
    """

    def __init__(self, every: int, plan: Plan, start_ns: int) -> None:
        self.batches = 0
        self._every = every
        self._plan = plan
        self._start_ns = start_ns
        self._mark_ns = start_ns
        self._next = every

    def tick(self) -> bool:
        """A batch ended; whether figures are due."""
        self.batches += 1
        return self.batches == self._next

    def figures(self, now_ns: int) -> telemetry_pb2.PerformanceData | None:
        """New figures if they are due."""
        if self.batches != self._next:
            return None
        recent = max(now_ns - self._mark_ns, 1) / 1e9 / self._every
        average = max(now_ns - self._start_ns, 1) / 1e9 / self.batches
        self._mark_ns = now_ns
        self._next += self._every
        left = max(self._plan.total_batches - self.batches, 0)
        return telemetry_pb2.PerformanceData(
            time_per_batch_ms=recent * 1e3,
            total_time_for_epoch_sec=average * self._plan.batches_per_epoch,
            estimated_time_remaining_sec=average * left,
            current_fps=1 / recent,
            average_fps=1 / average,
        )

    def leave_out(self, duration_ns: int) -> None:
        """Do not count a time, as the training was held."""
        self._start_ns += duration_ns
        self._mark_ns += duration_ns
