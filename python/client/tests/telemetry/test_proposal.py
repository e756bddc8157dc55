"""Our client against the sample server of the telemetry proposal, with stubs generated from the proposal's own file."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Self

import pytest

from catenary_client.telemetry import Commands, Run, Setting, TelemetrySettings, TrainingStopped

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PROPOSAL = Path(__file__).parent / "proposal"
SECONDS = 30.0


class SampleServer:
    """The sample as a program of its own, so that its stubs do not meet ours."""

    def __init__(self, stubs: Path) -> None:
        self.messages: list[dict[str, Any]] = []
        self._changed = threading.Condition()
        command = [sys.executable, str(PROPOSAL / "sample_server.py"), str(stubs)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.address = f"127.0.0.1:{self._pipe(self._process.stdout).readline().strip()}"
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
        self._reader.join(SECONDS)
        for pipe in (self._process.stdin, self._process.stdout):
            self._pipe(pipe).close()

    def order(self, line: str) -> None:
        pipe = self._pipe(self._process.stdin)
        pipe.write(line + "\n")
        pipe.flush()

    def wait_until(self, happened: Callable[[], bool]) -> None:
        with self._changed:
            assert self._changed.wait_for(happened, SECONDS), "it did not happen in time"

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [message[kind] for message in self.messages if kind in message]

    def _read(self) -> None:
        for line in self._pipe(self._process.stdout):
            with self._changed:
                self.messages.append(json.loads(line))
                self._changed.notify_all()

    def _pipe(self, pipe: IO[str] | None) -> IO[str]:
        assert pipe is not None
        return pipe


@pytest.fixture(scope="module")
def stubs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("grpc_tools", reason="generates the stubs of the proposal")
    folder = tmp_path_factory.mktemp("stubs")
    command = [sys.executable, "-m", "grpc_tools.protoc", f"-I{PROPOSAL}", f"--python_out={folder}"]
    subprocess.run([*command, f"--grpc_python_out={folder}", "telemetry.proto"], check=True)
    return folder


@pytest.fixture
def sample(stubs: Path) -> Iterator[SampleServer]:
    with SampleServer(stubs) as running:
        yield running


def test_the_sample_server_gets_every_batch_epoch_and_status(sample: SampleServer, new_run: Callable[..., Run]) -> None:
    with new_run(sample.address, run_id="train_001") as run:
        for _ in range(20):
            run.log_batch(images=[b"\xff\xd8 one", b"\xff\xd8 two"], predictions=[3, 5], loss=0.25, accuracy=0.5)
            run.log_scalars({"grad": 1.0})
        run.log_epoch(loss=0.2, accuracy=0.6)
    report = run.report
    assert report is not None
    assert report.complete
    assert sample.messages[0] == {"registered": "train_001"}
    batches = sample.of("batchData")
    assert [batch.get("batchIdx", 0) for batch in batches] == list(range(20))
    assert all(len(batch["images"]) == 2 and batch["images"][0]["imageBytes"] for batch in batches)
    assert sample.of("epochData")[0]["averageLoss"] == pytest.approx(0.2)
    assert [update["status"] for update in sample.of("statusUpdate")] == ["INITIALIZING", "RUNNING", "COMPLETED"]
    assert sample.of("performanceData")


def test_the_sample_server_gets_heartbeats_at_its_interval(sample: SampleServer, new_run: Callable[..., Run]) -> None:
    with new_run(sample.address):
        sample.wait_until(lambda: len(sample.of("heartbeat")) >= 3)
    assert [beat.get("sequenceNumber", 0) for beat in sample.of("heartbeat")[:3]] == [0, 1, 2]


def test_commands_of_the_sample_server_are_obeyed(sample: SampleServer, new_run: Callable[..., Run]) -> None:
    rate = [0.1]
    setting = Setting(lambda: rate[0], lambda value: rate.__setitem__(0, value), minimum=0.0, maximum=1.0)

    def train(run: Run) -> None:
        while True:
            run.log_batch(loss=rate[0])
            sample.wait_until(lambda: len(sample.of("batchData")) >= run.step_count)

    sample.order("CHANGE_LEARNING_RATE learning_rate=0.05")
    sample.order("CHANGE_LEARNING_RATE learning_rate=7")
    sample.order("STOP_TRAINING")
    with new_run(sample.address, commands=Commands(learning_rate=setting)) as run, pytest.raises(TrainingStopped):
        train(run)
    assert rate == [0.05]
    assert run.stopped


def test_a_full_buffer_of_the_sample_server_makes_the_client_send_again_later(
    sample: SampleServer, new_run: Callable[..., Run]
) -> None:
    with new_run(sample.address, settings=TelemetrySettings(close_seconds=20.0)) as run:
        run.log_batch(loss=1.0)
        sample.wait_until(lambda: len(sample.of("batchData")) == 1)
        sample.order("ERROR BUFFER_FULL")
        sample.wait_until(lambda: len(sample.of("registered")) == 2)
        run.log_batch(loss=2.0)
    assert run.report is not None
    assert run.report.complete
    assert sample.of("batchData")[-1]["batchLoss"] == pytest.approx(2.0)
