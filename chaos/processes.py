"""The server and the trainer as processes that can be killed."""

from __future__ import annotations

import contextlib
import json
import multiprocessing
import resource
import socket
import time
from typing import TYPE_CHECKING, Any, Final

import grpc

from catenary.telemetry.v1 import metric_query_pb2, telemetry_service_pb2_grpc
from chaos import programs
from chaos.trainer import Load, Plan

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from multiprocessing.context import ForkServerProcess
    from pathlib import Path

RUN_ID: Final = "training"
PATIENCE: Final = 60.0
"""Seconds that anything may take."""
_LOOK_SECONDS: Final = 0.02

_PROCESSES: Final = multiprocessing.get_context("forkserver")
_PROCESSES.set_forkserver_preload([programs.__name__])


class Broken(Exception):
    """A promise was not kept."""


def until(condition: Callable[[], bool], what: str, seconds: float = PATIENCE) -> float:
    """Wait for something; seconds it took.

    Raises:
        Broken: if it does not happen.
    """
    begin = time.monotonic()
    while not condition():
        if time.monotonic() > begin + seconds:
            raise Broken(f"{what} did not happen within {seconds:g} s")
        time.sleep(_LOOK_SECONDS)
    return time.monotonic() - begin


class _Killable:
    """A process that is started again and again, forked from one that has imported what it needs."""

    def __init__(self, log: Path) -> None:
        self.log = log
        self._process: ForkServerProcess | None = None

    @property
    def running(self) -> bool:
        """Whether it runs now."""
        return self._process is not None and self._process.is_alive()

    @property
    def exit_code(self) -> int | None:
        """With what it ended; None while it runs, or before."""
        return None if self._process is None else self._process.exitcode

    def start(self, target: Callable[..., None], *arguments: object) -> None:
        """Start it."""
        self._process = _PROCESSES.Process(target=target, args=(*arguments, self.log), daemon=True)
        self._process.start()

    def kill(self) -> None:
        """Kill it at once."""
        if self._process is not None:
            self._process.kill()
            self._process.join(PATIENCE)

    def stop(self, seconds: float = PATIENCE) -> bool:
        """Ask it to end, and wait for that; whether it did."""
        if self._process is not None:
            self._process.terminate()
            self._process.join(seconds)
        return not self.running

    def said(self) -> str:
        """The end of what it said."""
        return self.log.read_text(errors="replace")[-1000:] if self.log.exists() else ""

    @contextlib.contextmanager
    def with_full_disk(self, largest_file: int) -> Iterator[None]:
        """No file of the process grows beyond so many bytes as long as the context lasts."""
        assert self._process is not None and self._process.pid is not None  # noqa: S101, PT018 - it runs
        process_id = self._process.pid
        _, most = resource.prlimit(process_id, resource.RLIMIT_FSIZE)
        resource.prlimit(process_id, resource.RLIMIT_FSIZE, (largest_file, most))
        try:
            yield
        finally:
            resource.prlimit(process_id, resource.RLIMIT_FSIZE, (most, most))


class Server(_Killable):
    """`catenary serve --only telemetry` on a port that stays the same over restarts."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder / "server.log")
        self._folder = folder
        with socket.create_server(("127.0.0.1", 0)) as listener:
            self._port = listener.getsockname()[1]
        self.address = f"127.0.0.1:{self._port}"
        self.runs = folder / "telemetry" / "runs"
        self.serve()

    def serve(self) -> None:
        """Start it and wait until it answers.

        Raises:
            Broken: if it does not.
        """
        arguments = ["--port", str(self._port), "--only", "telemetry", "--no-dashboard"]
        arguments += ["--telemetry", str(self._folder / "telemetry")]
        self.start(programs.run_server, arguments)
        until(self._answers, "the start of the server")

    def stored_step(self) -> int:
        """The newest step that it has both scalars and a batch of; 0 while it does not say."""
        request = metric_query_pb2.QueryMetricsRequest(run_id=RUN_ID, metric_names=["step", "batch_loss"], max_points=1)
        with contextlib.suppress(grpc.RpcError), grpc.insecure_channel(self.address) as channel:
            stub: Any = telemetry_service_pb2_grpc.TelemetryServiceStub(channel)
            found = stub.QueryMetrics(request, timeout=5).series
            return int(min(max([*each.minimums, *each.maximums], default=0.0) for each in found))
        return 0

    def log_folder(self) -> Path:
        """Where the log of the run lies."""
        (found,) = self.runs.glob(f"{RUN_ID}.*")
        return found

    def _answers(self) -> bool:
        if not self.running:
            raise Broken(f"the server ended: {self.said()}")
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self._port), 1):
            return True
        return False


class Trainer(_Killable):
    """A training in a process of its own; a new one goes on where the last one stood."""

    def __init__(self, address: str, folder: Path, load: Load) -> None:
        super().__init__(folder / "trainer.log")
        self._address = address
        self._folder = folder
        self._load = load
        self._counter = folder / "step"
        self.train()

    @property
    def step(self) -> int:
        """The last step that it logged."""
        with contextlib.suppress(OSError):
            return int.from_bytes(self._counter.read_bytes(), "big")
        return 0

    @property
    def spill(self) -> Path:
        """Where it keeps what the server could not take."""
        return self._folder / "spill" / RUN_ID

    def train(self) -> None:
        """Start it and wait until it logs.

        Raises:
            Broken: if it does not.
        """
        plan = Plan(
            address=self._address,
            spill=self.spill.parent,
            run_id=RUN_ID,
            first_step=self.step + 1,
            load=self._load,
            counter=self._counter,
            report=self._folder / "report",
        )
        self.start(programs.run_trainer, plan)
        self.until_logged(plan.first_step + 1)

    def until_logged(self, step: int) -> None:
        """Wait until it has logged a step.

        Raises:
            Broken: if it does not.
        """
        until(lambda: self.step >= step or not self.running, f"step {step} of the trainer")
        if self.step < step:
            raise Broken(f"the trainer ended: {self.said()}")

    def finish(self) -> dict[str, Any]:
        """Have it end in good order; its report.

        Raises:
            Broken: if it does not.
        """
        if not self.stop(2 * PATIENCE):
            self.kill()
            raise Broken("the trainer did not end")
        if self.exit_code:
            raise Broken(f"the trainer failed: {self.said()}")
        report: dict[str, Any] = json.loads((self._folder / "report").read_text())
        return report


def largest_file(folder: Path) -> int:
    """Bytes of the largest file below a folder; 0 without one."""
    sizes = [0]
    for path in folder.rglob("*"):
        with contextlib.suppress(OSError):  # it may be gone by now
            sizes.append(path.stat().st_size)
    return max(sizes)
