"""Where a run hears what is asked of it: between two batches."""

from __future__ import annotations

import collections
import contextlib
import threading
import time
from concurrent.futures import Future
from typing import TYPE_CHECKING

from catenary_server.domain.control import Applied, Command, ControlAction, refused
from catenary_server.domain.failure import Failure, Reason, Violation
from catenary_server.domain.training import TrainStatus

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    Setters = Mapping[ControlAction, Callable[[float], float]]
    """What a phase lets be changed: each takes the new value and returns the old one."""

_STATUS_AFTER = {ControlAction.PAUSE: TrainStatus.PAUSED, ControlAction.RESUME: TrainStatus.IN_PROGRESS}


class StepControl:
    """Commands to one run at a time: asked for in any thread, obeyed in the run's own at its next boundary."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._commands: collections.deque[tuple[Command, Future[Applied]]] = collections.deque()
        self._setters: Setters = {}
        self._running = False
        self._stopping = False
        self._paused = False

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """A run goes on; whatever it has not heard by its end is refused."""
        with self._changed:
            self._running, self._stopping, self._paused = True, False, False
        try:
            yield
        finally:
            with self._changed:
                self._running, self._setters = False, {}
                unheard = tuple(self._commands)
                self._commands.clear()
            for _, answer in unheard:
                answer.set_exception(_no_run("the run ended before it heard the command"))

    def allow(self, setters: Setters) -> None:
        """What the present run lets be changed."""
        self._setters = setters

    def stop(self) -> bool:
        """Ask the run to end at its next boundary; False if none goes on."""
        with self._changed:
            self._stopping = self._stopping or self._running
            self._changed.notify_all()
            return self._running

    def submit(self, command: Command) -> Future[Applied]:
        """Ask the run something; the answer comes from its next boundary, or at once if no run goes on."""
        answer: Future[Applied] = Future()
        with self._changed:
            if self._running:
                self._commands.append((command, answer))
                self._changed.notify_all()
                return answer
        answer.set_exception(_no_run("no training runs in this session"))
        return answer

    def at_boundary(self, step: int, announce: Callable[[TrainStatus], None]) -> None:
        """Obey what was asked, and wait here while the run is paused.

        Args:
            step: optimizer steps done.
            announce: told each time when the run pauses or goes on.

        Raises:
            Failure: TRAIN_CANCELLED.
        """
        while (heard := self._next()) is not None:
            command, answer = heard
            try:
                applied = self._obey(command, step, announce)
            except Failure as failure:
                answer.set_exception(failure)
            else:
                answer.set_result(applied)

    def _next(self) -> tuple[Command, Future[Applied]] | None:
        with self._changed:
            self._changed.wait_for(lambda: self._stopping or self._commands or not self._paused)
            if self._stopping:
                raise Failure(Reason.TRAIN_CANCELLED, "the run was stopped on request")
            return self._commands.popleft() if self._commands else None

    def _obey(self, command: Command, step: int, announce: Callable[[TrainStatus], None]) -> Applied:
        command.check()
        if command.expire_time is not None and time.time() > command.expire_time:
            raise Failure(Reason.COMMAND_EXPIRED, "the command expired before the run came to a step boundary")
        after = _STATUS_AFTER.get(command.action)
        if after is not None:
            before = TrainStatus.PAUSED if self._paused else TrainStatus.IN_PROGRESS
            self._paused = after is TrainStatus.PAUSED
            if after is not before:
                announce(after)
            return Applied(step, before, after)
        setter = self._setters.get(command.action)
        if setter is None or command.value is None:
            raise refused(f"this run does not obey {command.action}: its phase has nothing to set by it")
        return Applied(step, setter(command.value), command.value)


def _no_run(message: str) -> Failure:
    return Failure(Reason.STATE_INVALID, message, violations=(Violation("run", message),))
