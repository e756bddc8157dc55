"""Starts workers: one process per session, copied from a forkserver that has torch imported already."""

from __future__ import annotations

import asyncio
import atexit
import collections
import contextlib
import multiprocessing
import os
import socket
from concurrent.futures import ThreadPoolExecutor
from multiprocessing import forkserver
from typing import TYPE_CHECKING, Literal, cast

from catenary_server.domain.failure import Failure, Reason
from catenary_server.runtimes import child
from catenary_server.runtimes.blocks import IncomingBlocks, OutgoingBlocks
from catenary_server.runtimes.confines import Confines
from catenary_server.runtimes.cores import FrontEndCores, Shares
from catenary_server.runtimes.device_choice import choose_device
from catenary_server.runtimes.environment import scrubbed_environment
from catenary_server.runtimes.frames import RETAINED_BYTES, Framing
from catenary_server.runtimes.process_worker import ProcessWorker
from catenary_server.runtimes.work_folders import WorkFolders

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from multiprocessing.context import ForkServerContext, SpawnContext
    from pathlib import Path

    from catenary_server.domain.runtime import Catalog

ENGINE = "catenary_server.worker:build_engine"
"""Builds the engine of a worker: `module:function`, called with the name of a device."""

PRELOAD = ("torch", "lightning.pytorch", "matplotlib.figure")
"""What our engine imports only when it first needs it: seconds that no session should wait. Absent ones are skipped."""

REST_SECONDS = 30.0
"""A worker that had no call for so long gives up the memory it keeps for speed."""

PATIENCE_SECONDS = 120.0
"""How long a worker may stand still while someone waits for it."""

_PRELOAD = "catenary_server.runtimes.preload"
_COPY_THREADS = 4


class ProcessRuntime:
    """Implements `domain.runtime.Runtime` with worker processes on this machine (Linux).

    Launch the server as `python -m <package>`: the workers import the main module again unless it is a `__main__`.
    An operator's `GLIBC_TUNABLES=glibc.malloc.hugetlb=1` reaches the workers if it was set before the server's exec.

    Args:
        engine: `module:function` that builds the engine from a device name; imported in workers only.
        preload: modules for the forkserver to import besides those of the engine: Python has one forkserver, which all
            parts of the front end share.
        start_method: `forkserver`, or `spawn` for comparisons and debugging.
        retained_bytes: free shared memory that each side of each worker keeps for the next large payload.
        memory_bytes: most private memory of a worker; None: no bound.
        patience_seconds: how long a worker may stand still while someone waits for it, before it is ended as hung.
        front_end_cores: cores that training leaves to this process; None: one of eight, at least one; 0: none.
    """

    def __init__(
        self,
        *,
        engine: str = ENGINE,
        preload: Sequence[str] = (),
        start_method: Literal["forkserver", "spawn"] = "forkserver",
        retained_bytes: int = RETAINED_BYTES,
        memory_bytes: int | None = None,
        patience_seconds: float = PATIENCE_SECONDS,
        front_end_cores: int | None = None,
    ) -> None:
        self._engine = engine
        engine_modules = (*(PRELOAD if engine == ENGINE else ()), engine.partition(":")[0])
        self._preload = (*preload, *engine_modules, _PRELOAD)
        self._context = cast("ForkServerContext | SpawnContext", multiprocessing.get_context(start_method))
        self._retained_bytes = retained_bytes
        self._memory_bytes = memory_bytes
        self._patience_seconds = patience_seconds
        self._cores = FrontEndCores(Shares.of(os.sched_getaffinity(0), front_end_cores))
        self._folders: WorkFolders | None = None
        self._watching: asyncio.Task[None] | None = None
        self._processes = ThreadPoolExecutor(1, thread_name_prefix="worker-processes")
        self._copies = ThreadPoolExecutor(_COPY_THREADS, thread_name_prefix="payload-copies")
        self._workers: dict[ProcessWorker, str] = {}
        self._places: dict[ProcessWorker, Path] = {}
        self._catalog: Catalog | None = None
        self._resting: asyncio.Task[None] | None = None
        self._launching: set[asyncio.Task[ProcessWorker]] = set()
        self._closed = False

    async def start(self) -> Catalog:
        """Start the forkserver, wait until it has imported everything, and learn what workers can do.

        Call it before anything else uses the forkserver, from a thread that lives as long as the server, for the
        forkserver dies with it; and before other threads run, for the environment is changed for a moment.
        """
        if self._context.get_start_method() == "forkserver":
            self._context.set_forkserver_preload(list(self._preload))
            _start_forkserver()
        atexit.register(self._kill_all)
        self._folders = WorkFolders()
        worker = await self._launch("cpu")
        try:
            await worker.wait_started(lambda _: None)
            self._catalog = await worker.catalog()
        finally:
            await worker.close()
        self._resting = asyncio.get_running_loop().create_task(self._trim_resting(), name="trim resting workers")
        self._watching = asyncio.get_running_loop().create_task(self._end_hung(), name="end hung workers")
        return self._catalog

    async def start_worker(self, *, device: str, on_lost: Callable[[Failure], None]) -> ProcessWorker:
        """Start a worker for one session on `auto` or a device of the catalog.

        Raises:
            Failure: DEVICE_INVALID; what building the engine raised (DEVICE_UNAVAILABLE); WORKER_CRASHED; DRAINING if
                the runtime has been closed.
        """
        if self._catalog is None or self._closed:
            raise Failure(Reason.DRAINING, "the server does not start workers now")
        chosen = choose_device(device, self._catalog.devices, collections.Counter(self._workers.values()))
        worker = await self._launch(chosen)
        try:
            await worker.wait_started(on_lost)
        except BaseException:
            await worker.close()
            raise
        return worker

    @property
    def worker_count(self) -> int:
        """See `Runtime.worker_count`."""
        return len(self._workers)

    async def close(self) -> None:
        """End every worker. Idempotent."""
        self._closed = True
        for task in (self._resting, self._watching):
            if task is not None:
                task.cancel()
        await asyncio.gather(*self._launching, return_exceptions=True)
        await asyncio.gather(*(worker.close() for worker in tuple(self._workers)))
        atexit.unregister(self._kill_all)
        if self._folders is not None:
            await asyncio.to_thread(self._folders.close)
        self._processes.shutdown(wait=False)
        self._copies.shutdown(wait=False)

    async def _launch(self, device: str) -> ProcessWorker:
        """A process that has been started; its engine need not be built yet.

        A launch that is cancelled goes on by itself, for its descriptors must stay open until the process has them.
        """
        launching = asyncio.get_running_loop().create_task(self._start_process(device))
        self._launching.add(launching)
        launching.add_done_callback(self._launching.discard)
        try:
            return await asyncio.shield(launching)
        except asyncio.CancelledError:
            with contextlib.suppress(OSError):
                await (await launching).close()
            raise

    async def _start_process(self, device: str) -> ProcessWorker:
        assert self._folders is not None  # noqa: S101 - `start` made them
        folder = await asyncio.to_thread(self._folders.make)
        ours, theirs = socket.socketpair()
        confines = Confines(str(folder), self._memory_bytes, self._cores.shares.training)
        arguments = (theirs, self._engine, device, self._retained_bytes, confines)
        process = self._context.Process(target=child.run, args=arguments, name="catenary-worker")
        try:
            await asyncio.get_running_loop().run_in_executor(self._processes, process.start)
        except OSError:
            ours.close()
            raise
        finally:
            theirs.close()
        worker = ProcessWorker(
            process=process,
            connection=ours,
            framing=Framing(
                OutgoingBlocks(self._retained_bytes),
                IncomingBlocks(writable=False, populate=False),
            ),
            processes=self._processes,
            copies=self._copies,
            cores=self._cores,
            on_gone=self._forget,
        )
        self._workers[worker] = device
        self._places[worker] = folder
        return worker

    def _forget(self, worker: ProcessWorker) -> None:
        self._workers.pop(worker, None)
        folder = self._places.pop(worker, None)
        if folder is not None and self._folders is not None:
            self._copies.submit(self._folders.remove, folder)

    async def _trim_resting(self) -> None:
        while True:
            await asyncio.sleep(REST_SECONDS)
            for worker in tuple(self._workers):
                worker.trim_if_idle(REST_SECONDS)

    async def _end_hung(self) -> None:
        while True:
            await asyncio.sleep(self._patience_seconds / 4)
            for worker in tuple(self._workers):
                await worker.check_hung(self._patience_seconds)

    def _kill_all(self) -> None:
        """At an exit without `close`: multiprocessing would wait for the workers, for ever."""
        for worker in tuple(self._workers):
            worker.kill_now()


def _start_forkserver() -> None:
    with scrubbed_environment():
        forkserver.ensure_running()
