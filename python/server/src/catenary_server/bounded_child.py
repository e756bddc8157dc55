"""Runs a function in a process of its own, one for each call, that ends when it takes too much time or memory.

For work on what clients send that a library does in unbounded time: a process is the only thing that can be stopped for
certain, and what the library imports never enters the front end. The processes come from the forkserver; one that has
preloaded the function's module starts them in milliseconds.
"""

from __future__ import annotations

import contextlib
import dataclasses
import importlib
import math
import multiprocessing
import resource
import signal
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from catenary_server.domain.failure import Failure

if TYPE_CHECKING:
    from collections.abc import Iterator
    from multiprocessing.connection import Connection
    from multiprocessing.context import ForkServerProcess

_START_S = 60.0
_READY = b"ready"


class LimitsExceeded(Exception):
    """The call took more time or memory than it may."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ChildLimits:
    """What one call may take: processor seconds, bytes of memory beyond those at its start, seconds in all."""

    cpu_s: float = 2.0
    memory_bytes: int = 256 << 20
    wall_s: float = 5.0


@dataclasses.dataclass(frozen=True, slots=True)
class _Answer:
    """What the function returned, or the failure it raised; neither if it ran out of memory."""

    value: object = None
    failure: Failure | None = None
    exceeded: bool = False


def call_in_child(function: str, argument: object, limits: ChildLimits) -> object:
    """Call a function in a child process; blocks, so call it from a thread.

    Args:
        function: `module:function`, imported in the child.
        argument: what it is called with; travels pickled, as what it returns does.
        limits: what it may take.

    Raises:
        Failure: what it raised.
        LimitsExceeded: it was ended for taking too much.
        RuntimeError: it failed in a way that is a bug of ours; its traceback is on standard error.
    """
    context = multiprocessing.get_context("forkserver")
    receiver, sender = context.Pipe(duplex=False)
    child = context.Process(target=serve, args=(sender, function, argument, limits), daemon=True, name="bounded")
    with receiver:
        with sender:
            child.start()
        with _ended(child):
            if not receiver.poll(_START_S):
                raise RuntimeError(f"the process that calls {function} did not start")
            answer = _receive(receiver, limits)
    if answer is not None and answer.failure is not None:
        raise answer.failure
    if answer is not None and not answer.exceeded:
        return answer.value
    if answer is None and child.exitcode is not None and child.exitcode > 0:
        message = f"the process that calls {function} ended with code {child.exitcode}"
        raise RuntimeError(message)
    raise LimitsExceeded(function)


def _receive(receiver: Connection, limits: ChildLimits) -> _Answer | None:
    """The answer of the child, or None if it ended or has to be ended without one."""
    try:
        receiver.recv_bytes(len(_READY))
        if receiver.poll(limits.wall_s):
            answer = receiver.recv()
            assert isinstance(answer, _Answer)  # noqa: S101 - nobody else writes to the pipe
            return answer
    except EOFError:
        pass
    return None


@contextlib.contextmanager
def _ended(child: ForkServerProcess) -> Iterator[None]:
    """See to it that the child has gone in the end, by itself if it is at its end anyway."""
    try:
        yield
        child.join(0.2)
    finally:
        if child.is_alive():
            child.kill()
        child.join()


def serve(sender: Connection, function: str, argument: object, limits: ChildLimits) -> None:
    """The child: calls the function once and sends what came of it."""
    warnings.simplefilter("ignore")  # of libraries, about what clients sent: nobody is there to read them
    module, _, name = function.partition(":")
    call = getattr(importlib.import_module(module), name)
    confine(limits)
    sender.send_bytes(_READY)
    try:
        answer = _Answer(value=call(argument))
    except Failure as failure:
        answer = _Answer(failure=failure.with_traceback(None))
    except (MemoryError, RecursionError):
        answer = _Answer(exceeded=True)
    sender.send(answer)


def confine(limits: ChildLimits) -> None:
    """Limit this process: from now on so much processor time and so much more memory, no core files.

    The timer ends the process to the millisecond and without asking Python; the resource limit only counts seconds.
    """
    used = resource.getrusage(resource.RUSAGE_SELF)
    cpu_s = math.ceil(used.ru_utime + used.ru_stime + limits.cpu_s)
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    memory_bytes = pages * resource.getpagesize() + limits.memory_bytes
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CPU, (cpu_s, cpu_s + 1))
    resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_PROF, limits.cpu_s)
