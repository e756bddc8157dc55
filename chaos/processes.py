"""The server and the trainer as processes that can be killed."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import grpc

from catenary.telemetry.v1 import metric_query_pb2, telemetry_service_pb2_grpc

if TYPE_CHECKING:
    from collections.abc import Callable

REPOSITORY = Path(__file__).resolve().parents[1]
RUN_ID = "training"
PATIENCE = 90.0
"""Seconds that anything may take."""


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
        time.sleep(0.01)
    return time.monotonic() - begin


class Server:
    """`catenary serve --only telemetry` on a port that stays the same over restarts."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        with socket.create_server(("127.0.0.1", 0)) as listener:
            self._port = listener.getsockname()[1]
        self.address = f"127.0.0.1:{self._port}"
        self.runs = folder / "telemetry" / "runs"
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    @property
    def process_id(self) -> int:
        """Id of the process that runs now."""
        assert self._process is not None  # noqa: S101 - started by the constructor
        return self._process.pid

    def start(self) -> None:
        """Start it and wait until it answers.

        Raises:
            Broken: if it does not.
        """
        arguments = ["--port", str(self._port), "--only", "telemetry", "--telemetry", str(self._folder / "telemetry")]
        with (self._folder / "server.log").open("ab") as log:
            command = [sys.executable, "-m", "catenary_server", *arguments]
            self._process = subprocess.Popen(command, stdout=log, stderr=log, cwd=self._folder)
        until(self._answers, "the start of the server")

    def kill(self) -> None:
        """Kill it at once."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """Stop it as an operator does."""
        self._end(signal.SIGTERM)

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

    def _end(self, how: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(PATIENCE)

    def _answers(self) -> bool:
        if self._process is None or self._process.poll() is not None:
            raise Broken(f"the server ended: {(self._folder / 'server.log').read_text()[-1000:]}")
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self._port), 1):
            return True
        return False


@dataclasses.dataclass(frozen=True, slots=True)
class Load:
    """What each step carries."""

    tiles: int = 4
    tile_bytes: int = 3000


class Trainer:
    """A training in a process of its own; a new one goes on where the last one stood."""

    def __init__(self, address: str, folder: Path, load: Load) -> None:
        self._address = address
        self._folder = folder
        self._load = load
        self._counter = folder / "step"
        self.start()

    @property
    def step(self) -> int:
        """The last step that it logged."""
        with contextlib.suppress(OSError):
            return int.from_bytes(self._counter.read_bytes(), "big")
        return 0

    def start(self) -> None:
        """Start it and wait until it logs."""
        first = self.step + 1
        arguments = [self._address, str(self._folder / "spill"), RUN_ID, str(first)]
        arguments += [str(self._load.tiles), str(self._load.tile_bytes), str(self._counter)]
        with (self._folder / "trainer.log").open("ab") as log:
            command = [sys.executable, "-m", "chaos.trainer", *arguments]
            self._process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, cwd=REPOSITORY)
        until(lambda: self.step > first, "the first step of the trainer")

    def kill(self) -> None:
        """Kill it at once."""
        self._process.kill()
        self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()

    def finish(self) -> dict[str, Any]:
        """Have it end in good order; its report.

        Raises:
            Broken: if it does not.
        """
        self._process.terminate()
        try:
            said, _ = self._process.communicate(timeout=2 * PATIENCE)
        except subprocess.TimeoutExpired:
            self.kill()
            raise Broken("the trainer did not end") from None
        if self._process.returncode:
            raise Broken(f"the trainer failed: {(self._folder / 'trainer.log').read_text()[-1000:]}")
        report: dict[str, Any] = json.loads(said)
        return report
