"""Servers as processes: started, watched from outside, ended."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

REPOSITORY = Path(__file__).resolve().parents[2]
START_SECONDS = 60.0
_ENVIRONMENT = {"GLIBC_TUNABLES": "glibc.malloc.hugetlb=1"}
"""As the launcher of our server has it, for those that are not started by it."""


class NotStarted(RuntimeError):
    """A server did not say in time where it listens; the message has the end of its log."""


@dataclasses.dataclass(frozen=True, slots=True)
class Served:
    """A running server."""

    address: str
    process_id: int
    local_address: str = ""
    """Its Unix socket, if it has one."""

    def worker_ids(self) -> list[int]:
        """The processes of its sessions, oldest first."""
        children = [pid for server in _children(self.process_id) for pid in _children(server)]
        return sorted(children)


@contextlib.contextmanager
def served(
    arguments: Sequence[str], folder: Path, name: str, *, python: str = sys.executable, launched: bool = False
) -> Iterator[Served]:
    """Run `python ARGUMENTS` until the block ends.

    Args:
        arguments: `{port_file}` in them is where it says its address.
        folder: for that file and the log.
        name: of both.
        python: the interpreter.
        launched: whether it sets its allocator up by itself.
    """
    port_file, log = folder / f"{name}.port", folder / f"{name}.log"
    command = [python, *(each.replace("{port_file}", str(port_file)) for each in arguments)]
    environment = dict(os.environ) if launched else os.environ | _ENVIRONMENT
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, cwd=REPOSITORY, env=environment)
    try:
        yield Served(_address(process, port_file, log), process.pid)
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextlib.contextmanager
def catenary(folder: Path) -> Iterator[Served]:
    """Our server, with the nodes of the bench."""
    socket = folder / "socket"
    arguments = ["--port", "0", "--port-file", "{port_file}", "--configs", "configs"]
    arguments += ["--artifacts", str(folder / "artifacts"), "--unix-socket", str(socket)]
    with served(["-m", "benchmarks.serving", *arguments], folder, "catenary") as server:
        yield dataclasses.replace(server, local_address=f"unix:{socket}")


def _address(process: subprocess.Popen[bytes], port_file: Path, log: Path) -> str:
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end and process.poll() is None:
        if port_file.exists() and (address := port_file.read_text().strip()):
            return address
        time.sleep(0.02)
    raise NotStarted("\n".join(log.read_text(errors="replace").splitlines()[-15:]))


def peak_bytes(process_id: int) -> int:
    """The most memory that the process ever had, since `reset_peak`."""
    return _status(process_id, "VmHWM")


def resident_bytes(process_id: int) -> int:
    """The memory that the process has now."""
    return _status(process_id, "VmRSS")


def private_bytes(process_id: int) -> int:
    """Memory that only this process has."""
    rollup = Path(f"/proc/{process_id}/smaps_rollup").read_text()
    return 1024 * sum(int(kilobytes) for kilobytes in re.findall(r"^Private_\w+:\s+(\d+) kB", rollup, re.MULTILINE))


def reset_peak(process_id: int) -> None:
    """Let the peak begin at what the process has now."""
    Path(f"/proc/{process_id}/clear_refs").write_text("5")


def _status(process_id: int, field: str) -> int:
    text = Path(f"/proc/{process_id}/status").read_text()
    found = re.search(rf"^{field}:\s+(\d+) kB", text, re.MULTILINE)
    return 0 if found is None else 1024 * int(found.group(1))


def _children(process_id: int) -> list[int]:
    found: set[int] = set()
    for tasks in Path(f"/proc/{process_id}/task").iterdir():
        found.update(int(pid) for pid in (tasks / "children").read_text().split())
    return sorted(found)
