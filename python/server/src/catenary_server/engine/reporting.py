"""Progress of a phase, with its clock."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Any

from catenary_server.domain.failure import Failure, Reason
from catenary_server.domain.progress import Progress

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Mapping

    from catenary_server.domain.training import Phase


class Reporter:
    """Sends the progress of one phase and knows whether it shall stop.

    Args:
        report: takes each message.
        phase: the phase; None for an evaluation.
        stop: set from another thread to end the phase at its next step boundary.
    """

    def __init__(self, report: Callable[[Progress], None], phase: Phase | None, stop: threading.Event) -> None:
        self._report = report
        self._phase = phase
        self._stop = stop
        self._started = time.monotonic()

    def send(self, *, done_share: float = 0.0, **fields: Any) -> None:  # noqa: ANN401 - fields of Progress
        """Report; `done_share`, 0 to 1, of the phase gives the remaining time."""
        for kind in ("losses", "metrics"):
            fields[kind] = _finite(fields.get(kind, {}))
        elapsed = time.monotonic() - self._started
        remaining = elapsed / done_share * (1 - done_share) if done_share > 0 else None
        self._report(Progress(phase=self._phase, time=time.time(), remaining_seconds=remaining, **fields))

    def check_stop(self) -> None:
        """Call at every step boundary.

        Raises:
            Failure: TRAIN_CANCELLED.
        """
        if self._stop.is_set():
            raise Failure(Reason.TRAIN_CANCELLED, "the run was stopped on request")


def _finite(values: Mapping[str, float]) -> dict[str, float]:
    """A metric that is not defined, for example an AUROC of one class, is left out rather than sent as NaN."""
    return {name: value for name, value in values.items() if math.isfinite(value)}
