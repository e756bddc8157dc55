"""The calls to a worker that have not been answered, and what becomes of the answers."""

from __future__ import annotations

import asyncio
import itertools
import logging
import secrets
from typing import TYPE_CHECKING

from catenary_server.domain.failure import Failure, Reason
from catenary_server.runtimes.messages import STARTED, Fault, Refusal, Reply, Report

if TYPE_CHECKING:
    from collections.abc import Callable

    from catenary_server.runtimes.messages import Answer, Final

_logger = logging.getLogger(__name__)


class Calls:
    """Brings each answer to whoever waits for it; late answers, which nobody waits for, are dropped."""

    def __init__(self) -> None:
        self._numbers = itertools.count(STARTED + 1)
        self._waiting: dict[int, Callable[[Answer], None]] = {}

    def next_number(self) -> int:
        """A number that no call had before."""
        return next(self._numbers)

    def expect(self, call: int) -> asyncio.Future[Final]:
        """The answer of a call without reports."""
        future: asyncio.Future[Final] = asyncio.get_running_loop().create_future()

        def settle(answer: Answer) -> None:
            if not (future.done() or isinstance(answer, Report)):
                future.set_result(answer)

        self._waiting[call] = settle
        return future

    def expect_reports(self, call: int) -> asyncio.Queue[Answer]:
        """The reports and then the answer of a call."""
        queue: asyncio.Queue[Answer] = asyncio.Queue()
        self._waiting[call] = queue.put_nowait
        return queue

    def withdraw(self, call: int) -> bool:
        """Wait no more; True if the call had not been answered."""
        return self._waiting.pop(call, None) is not None

    def deliver(self, answer: Answer) -> None:
        """Bring an answer to whoever waits for it."""
        final = not isinstance(answer, Report)
        take = self._waiting.pop(answer.call, None) if final else self._waiting.get(answer.call)
        if take is not None:
            take(answer)
        elif isinstance(answer, Fault):
            _log_fault(answer, secrets.token_hex(4))

    def fail_all(self, reason: Reason, message: str) -> None:
        """No answer will come any more."""
        for call in tuple(self._waiting):
            self.deliver(Refusal(call, Failure(reason, message)))

    def __len__(self) -> int:
        return len(self._waiting)


def value_of(answer: Final) -> object:
    """What the worker's method returned.

    Raises:
        Failure: what it raised; INTERNAL_BUG, with the number under which the traceback is logged, for a bug.
    """
    match answer:
        case Reply(value=value):
            return value
        case Refusal(failure=failure):
            raise failure
        case Fault():
            number = secrets.token_hex(4)
            _log_fault(answer, number)
            raise Failure(
                Reason.INTERNAL_BUG,
                f"a bug in the server or in a node stopped {answer.method}; the server's log has it as {number}",
                metadata={"log_id": number},
            )


def _log_fault(fault: Fault, number: str) -> None:
    _logger.error("bug %s in a worker's %s:\n%s", number, fault.method, fault.traceback)
