"""Restarts the program the way a server must run: as a module, and with an allocator fit for large tensors."""

from __future__ import annotations

import itertools
import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

TUNABLES = "glibc.malloc.hugetlb=1"
"""Huge pages for large allocations: page faults, not copies, dominate the cost of a large message."""
TELEMETRY_TUNABLES = "glibc.malloc.mmap_threshold=16777216:glibc.malloc.trim_threshold=67108864"
"""Messages of telemetry are of a kind and come all the time: their memory is used again, not given back."""


def relaunch(arguments: Sequence[str]) -> None:
    """Replace this process by `python -m catenary_server ARGUMENTS`, unless it is that already.

    The module form matters: workers re-import the main module of their parent, which for a console script would be
    the whole command line, and for a package's `__main__` is nothing. The allocator reads its tunables only when a
    process starts, and so does gRPC, which otherwise writes lines of its own into the log whenever a handshake fails,
    with whatever the other side made of its server name.
    """
    if os.environ.get("CATENARY_LAUNCHED") == str(os.getpid()):
        return
    environment = dict(os.environ, CATENARY_LAUNCHED=str(os.getpid()))
    environment.setdefault("GLIBC_TUNABLES", TELEMETRY_TUNABLES if _telemetry_alone(arguments) else TUNABLES)
    environment.setdefault("GRPC_VERBOSITY", "NONE")
    os.execve(sys.executable, [sys.executable, "-m", "catenary_server", *arguments], environment)  # noqa: S606 - ourselves


def _telemetry_alone(arguments: Sequence[str]) -> bool:
    return "--only=telemetry" in arguments or ("--only", "telemetry") in itertools.pairwise(arguments)
