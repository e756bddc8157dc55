"""The C library's allocator, as a process needs it through which messages of megabytes flow."""

from __future__ import annotations

import contextlib
import ctypes

KEPT_BYTES = 64 << 20
"""Freed memory at the end of a heap that is kept for the next message; twice 1 MiB would be, otherwise."""

HEAP_BYTES = 32 << 20
"""Blocks below this come from a heap; glibc takes no more than that for a bound."""

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
"""Numbers of `M_TRIM_THRESHOLD` and `M_MMAP_THRESHOLD` in malloc.h."""


def keep_freed_memory() -> None:
    """Keep what messages leave behind for the next ones, rather than fault in each of its pages again.

    Said to the running process and not by `GLIBC_TUNABLES`, which workers would inherit: torch allocates its tensors
    faster with the bounds as they are. Does nothing with a C library that has no `mallopt`.
    """
    with contextlib.suppress(AttributeError):
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(_TRIM_THRESHOLD, KEPT_BYTES)
        mallopt(_MMAP_THRESHOLD, HEAP_BYTES)
