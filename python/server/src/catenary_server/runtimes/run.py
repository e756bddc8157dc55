"""A phase of training or an evaluation, from the moment a worker is asked for it."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, cast

from catenary_server.domain.failure import Failure, Reason
from catenary_server.runtimes.messages import REPORT_WINDOW, Method

if TYPE_CHECKING:
    from catenary_server.domain.checkpoint import Checkpoint
    from catenary_server.domain.progress import Progress
    from catenary_server.domain.runtime import Engine
    from catenary_server.domain.training import EvaluationJob, TrainingJob
    from catenary_server.runtimes.line import Line


class Run:
    """A phase that was asked for: keeps within its window of reports, and hears a stop at any time.

    Args:
        call: the call that asked for it.
        line: where reports go.
        engine: what trains.
    """

    def __init__(self, call: int, line: Line, engine: Engine) -> None:
        self._call = call
        self._line = line
        self._engine = engine
        self._stopped = False
        self._window: int | None = REPORT_WINDOW
        self._changed = threading.Condition()

    def perform(self, method: Method, job: object) -> str:
        """Train or evaluate; returns the closing message.

        Raises:
            Failure: TRAIN_CANCELLED, or what the engine raises.
        """
        if self._stopped:
            raise Failure(Reason.TRAIN_CANCELLED, "the run was stopped before it began")
        if method is Method.TRAIN:
            return self._engine.train(cast("TrainingJob", job), self._report, self._report)
        return self._engine.evaluate(cast("EvaluationJob", job), self._report)

    def stop(self) -> None:
        """Ask the phase to end, also if the engine has not begun it."""
        self._stopped = True
        self._engine.stop_training()

    def allow(self, reports: int | None) -> None:
        """Widen the window; None: no limit from now on."""
        with self._changed:
            self._window = None if reports is None or self._window is None else self._window + reports
            self._changed.notify_all()

    def _report(self, progress: Progress | Checkpoint) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._window != 0)
            if self._window is not None:
                self._window -= 1
        self._line.report(self._call, progress)
        if self._stopped:
            # The stop may have come before the engine was ready to hear it.
            self._engine.stop_training()
