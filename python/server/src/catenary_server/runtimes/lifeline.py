"""Ties a worker's life to the server's, and its signals to the front end."""

from __future__ import annotations

import ctypes
import faulthandler
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def die_with_parent() -> None:
    """Be killed by the kernel when the parent ends, whatever this process is doing then.

    What counts as the parent is the thread that started this process.
    """
    if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG)")


def tie_to_server() -> None:
    """In a worker: die with the forkserver, which dies with the front end; leave Ctrl+C and SIGTERM to the front end.

    A terminal or a service supervisor sends its signals to all processes at once; a worker that obeyed would end the
    calls that the front end is draining.
    """
    from catenary_server.runtimes import preload  # noqa: PLC0415 - it alters the process that imports it

    faulthandler.enable()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    die_with_parent()
    forked = os.getpid() != preload.FORKSERVER_PROCESS_ID
    if forked and os.getppid() != preload.FORKSERVER_PROCESS_ID:
        sys.exit("the server ended while this worker was started")
