"""The operating system's side of a worker: started, watched, ended and reaped without blocking the event loop."""

from __future__ import annotations

import asyncio
import signal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Executor
    from multiprocessing.process import BaseProcess


class WorkerProcess:
    """A started process that is watched until it is gone.

    Args:
        process: started already; belongs to this object.
        processes: the one thread that touches process objects: `multiprocessing` polls all of them at each start, and
            two threads that poll the same one can lose its exit code.
        on_end: called once on the loop with the exit code, negative for a signal, when the process is gone.
    """

    def __init__(self, process: BaseProcess, processes: Executor, on_end: Callable[[int], None]) -> None:
        if process.pid is None:
            raise ValueError("the process has not been started")
        self.process_id: int = process.pid
        self._process = process
        self._processes = processes
        self._on_end = on_end
        self._loop = asyncio.get_running_loop()
        self._gone = asyncio.Event()
        self._reaped = False
        self._reaping: asyncio.Task[None] | None = None
        self._sentinel = process.sentinel
        self._loop.add_reader(self._sentinel, self._on_sentinel)

    async def end(self, grace_seconds: float) -> None:
        """Wait for the process to end by itself, kill it if it does not, and return when it is gone."""
        try:
            async with asyncio.timeout(grace_seconds):
                await self._gone.wait()
        except TimeoutError:
            await self._loop.run_in_executor(self._processes, self.kill_now)
            await self._gone.wait()

    def kill_now(self) -> None:
        """Kill the process if it runs. To be called in the thread of `processes`, or when no loop runs any more."""
        if not self._reaped and self._process.exitcode is None:
            self._process.kill()

    def _on_sentinel(self) -> None:
        self._loop.remove_reader(self._sentinel)
        self._reaping = self._loop.create_task(self._finish(), name=f"reap worker {self.process_id}")

    async def _finish(self) -> None:
        exit_code = await self._loop.run_in_executor(self._processes, self._reap)
        self._on_end(exit_code)
        self._gone.set()

    def _reap(self) -> int:
        self._process.join()
        exit_code = self._process.exitcode
        self._process.close()
        self._reaped = True
        return 0 if exit_code is None else exit_code


def describe_end(exit_code: int) -> str:
    """How a process ended, for people: `was killed by SIGSEGV`."""
    if exit_code >= 0:
        return f"ended with exit code {exit_code}"
    try:
        name = signal.Signals(-exit_code).name
    except ValueError:
        name = f"signal {-exit_code}"
    hint = " (the system may have run out of memory)" if -exit_code == signal.SIGKILL else ""
    return f"was killed by {name}{hint}"
