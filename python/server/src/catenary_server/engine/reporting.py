"""Progress of a phase, with its clock."""

from __future__ import annotations

import dataclasses
import math
import time
from typing import TYPE_CHECKING, Any

from catenary_server.domain.progress import Progress
from catenary_server.domain.training import TrainStatus

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from catenary_server.domain.training import Phase
    from catenary_server.engine.step_control import StepControl


class Reporter:
    """Sends the progress of one phase, and lets it be steered between two batches.

    Args:
        report: takes each message.
        phase: the phase; None for an evaluation.
        control: what other threads ask of the phase.
    """

    def __init__(self, report: Callable[[Progress], None], phase: Phase | None, control: StepControl) -> None:
        self.control = control
        self._report = report
        self._phase = phase
        self._started = time.monotonic()
        self._last: Progress | None = None

    def send(self, *, done_share: float = 0.0, **fields: Any) -> None:  # noqa: ANN401 - fields of Progress
        """Report; `done_share`, 0 to 1, of the phase gives the remaining time."""
        for kind in ("losses", "metrics"):
            fields[kind] = _finite(fields.get(kind, {}))
        elapsed = time.monotonic() - self._started
        remaining = elapsed / done_share * (1 - done_share) if done_share > 0 else None
        self._last = Progress(phase=self._phase, time=time.time(), remaining_seconds=remaining, **fields)
        self._report(self._last)

    def at_boundary(self) -> None:
        """Call between two batches: obeys what was asked, and waits while the phase is paused.

        Raises:
            Failure: TRAIN_CANCELLED.
        """
        arrived = time.monotonic()
        self.control.at_boundary(0 if self._last is None else self._last.global_step, self._announce)
        self._started += time.monotonic() - arrived  # a pause says nothing about the speed of the phase

    def _announce(self, status: TrainStatus) -> None:
        """Say that the phase pauses or goes on, at the place where its last report left it."""
        if self._last is None:
            self.send()  # a run begins IN_PROGRESS
        last = dataclasses.replace(self._last or Progress(), losses={}, metrics={}, time=time.time())
        paused = status is TrainStatus.PAUSED
        message = f"Paused after step {last.global_step}" if paused else "Going on"
        self._report(dataclasses.replace(last, status=status, message=message))


def _finite(values: Mapping[str, float]) -> dict[str, float]:
    """A metric that is not defined, for example an AUROC of one class, is left out rather than sent as NaN."""
    return {name: value for name, value in values.items() if math.isfinite(value)}
