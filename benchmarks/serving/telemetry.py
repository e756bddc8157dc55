"""Servers of telemetry: ours alone, and Rerun's."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import time
from typing import TYPE_CHECKING

from benchmarks.peers.environments import NotRun, python
from benchmarks.serving.processes import START_SECONDS, Served, served

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def catenary_telemetry(folder: Path) -> contextlib.AbstractContextManager[Served]:
    """Our server with nothing but telemetry, as it is usually run; runs lie in `folder / "runs"`."""
    folder.mkdir(parents=True, exist_ok=True)
    arguments = [
        "--port",
        "0",
        "--port-file",
        "{port_file}",
        "--only",
        "telemetry",
        "--telemetry",
        str(folder / "runs"),
    ]
    return served(["-m", "catenary_server", *arguments], folder, "catenary", launched=True)


@contextlib.contextmanager
def rerun_server(folder: Path) -> Iterator[str]:
    """Rerun's server, which keeps what it gets in memory; yields its address.

    Raises:
        NotRun: if it cannot be installed or does not answer.
    """
    program = python("rerun").parent / "rerun"
    port = _free_port()
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "rerun.log").open("wb") as log:
        command = [str(program), "--serve-grpc", "--port", str(port), "--server-memory-limit", "2GB"]
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        _wait_for(port)
        yield f"127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait()


def processor_seconds(process_id: int) -> float:
    """Processor time of a process so far."""
    with open(f"/proc/{process_id}/stat") as stat:  # noqa: PTH123 - no path of a file that anyone keeps
        fields = stat.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    return port


def _wait_for(port: int) -> None:
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise NotRun("the server of Rerun does not answer")
