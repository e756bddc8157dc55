"""Runs compositions in a process of their own, one each, that ends when it takes too much time or memory.

A few lines of YAML can keep a composer busy for minutes. The front end must not notice, and a process is the only thing
that can be stopped for certain.
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
from typing import TYPE_CHECKING, cast

from catenary_server.configuration.limits import too_complex
from catenary_server.domain.failure import Failure

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from multiprocessing.connection import Connection
    from multiprocessing.context import ForkServerProcess

    from catenary_server.configuration.request import CompositionRequest

COMPOSITION_MODULE = "catenary_server.configuration.composition"
"""What the child imports; a forkserver that has preloaded it starts children in milliseconds."""

_START_S = 60.0
_READY = b"ready"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ChildLimits:
    """What one composition may take: processor seconds, bytes of memory beyond those at its start, seconds in all."""

    cpu_s: float = 2.0
    memory_bytes: int = 256 << 20
    wall_s: float = 5.0


def compose_in_child(request: CompositionRequest, limits: ChildLimits) -> tuple[str, tuple[str, ...]]:
    """Compose a configuration in a child process; blocks, so call it from a thread.

    Returns:
        See `composition.compose_config`.

    Raises:
        Failure: what the composition raised, or CONFIG_TOO_COMPLEX if it was ended for taking too much.
        RuntimeError: the child failed in a way that is a bug of ours; its traceback is on standard error.
    """
    context = multiprocessing.get_context("forkserver")
    receiver, sender = context.Pipe(duplex=False)
    child = context.Process(target=serve, args=(sender, request, limits), daemon=True, name="config")
    with receiver:
        with sender:
            child.start()
        with _ended(child):
            if not receiver.poll(_START_S):
                raise RuntimeError("the process that composes configurations did not start")
            answer = _receive(receiver, limits)
    if isinstance(answer, Failure):
        raise answer
    if answer is not None:
        return answer
    if child.exitcode is not None and child.exitcode > 0:
        message = f"the process that composes configurations ended with code {child.exitcode}"
        raise RuntimeError(message)
    raise too_complex(request.path, f"composing it took more than {limits.cpu_s} seconds or too much memory")


def _receive(receiver: Connection, limits: ChildLimits) -> tuple[str, tuple[str, ...]] | Failure | None:
    """The answer of the child, or None if it ended or has to be ended without one."""
    try:
        receiver.recv_bytes(len(_READY))
        if receiver.poll(limits.wall_s):
            return cast("tuple[str, tuple[str, ...]] | Failure", receiver.recv())
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


def serve(sender: Connection, request: CompositionRequest, limits: ChildLimits) -> None:
    """The child: composes one configuration and sends it, or the failure."""
    warnings.simplefilter("ignore")  # of libraries, about files of clients: nobody is there to read them
    compose_config: Callable[[CompositionRequest], tuple[str, tuple[str, ...]]] = importlib.import_module(
        COMPOSITION_MODULE
    ).compose_config
    confine(limits)
    sender.send_bytes(_READY)
    try:
        answer: tuple[str, tuple[str, ...]] | Failure = compose_config(request)
    except Failure as failure:
        answer = failure.with_traceback(None)
    except (MemoryError, RecursionError):
        answer = too_complex(request.path, "composing it never ends or takes too much memory")
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
