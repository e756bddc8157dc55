"""Ties a worker's life to the server's, and its signals to the front end."""

from __future__ import annotations

import ctypes
import faulthandler
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def tie_to_server() -> None:
    """Die with the forkserver, which ends when the front end does; leave Ctrl+C and SIGTERM to the front end.

    The forkserver itself holds one end of a pipe of the front end and ends with it, so it needs no signal. (It could
    not use one: the signal comes when the *thread* ends that started a process.) A terminal or a service supervisor
    sends its signals to all processes at once; a worker that obeyed would end the calls the front end is draining.
    """
    from catenary_server.runtimes import preload  # noqa: PLC0415 - it alters the process that imports it

    faulthandler.enable()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG)")
    forked = os.getpid() != preload.FORKSERVER_PROCESS_ID
    if forked and os.getppid() != preload.FORKSERVER_PROCESS_ID:
        sys.exit("the server ended while this worker was started")
