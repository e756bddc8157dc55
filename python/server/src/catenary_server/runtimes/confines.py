"""What a worker process may use of the machine: set in the worker itself, before any code of a pipeline runs."""

from __future__ import annotations

import dataclasses
import os
import resource
import tempfile
from pathlib import Path

from catenary_server.runtimes.cores import confine_thread

OPEN_FILES = 4096
"""Most descriptors of a worker; its loading processes have as many each."""


@dataclasses.dataclass(frozen=True, slots=True)
class Confines:
    """Limits of one worker.

    `memory_bytes` bounds its private memory (RLIMIT_DATA): not the address space, of which CUDA reserves more than any
    machine has, and not shared memory, in which payloads lie. None: no bound.
    """

    folder: str
    memory_bytes: int | None = None
    training_cores: frozenset[int] | None = None
    """Where phases of training and evaluations compute; None: on every core."""

    def enter(self) -> None:
        """Work in the folder, keep scratch files there, and take the limits, which no code of a pipeline can undo."""
        os.chdir(Path(self.folder))
        os.environ["TMPDIR"] = self.folder
        tempfile.tempdir = None  # read again from the variable
        _limit(resource.RLIMIT_CORE, 0)  # a core dump would hold clients' data
        _limit(resource.RLIMIT_NOFILE, OPEN_FILES)
        if self.memory_bytes is not None:
            _limit(resource.RLIMIT_DATA, self.memory_bytes)

    def enter_training(self) -> None:
        """Keep to the cores of training: to be called in the thread that trains."""
        if self.training_cores is not None:
            confine_thread(self.training_cores)


def _limit(which: int, wanted: int) -> None:
    """Lower a limit for good; one that is lower already stays."""
    _, hard = resource.getrlimit(which)
    bound = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    resource.setrlimit(which, (bound, bound))
