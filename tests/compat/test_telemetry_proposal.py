"""The sample of the telemetry proposal, with stubs from the proposal's own file, against our server."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import grpc
import pytest

from catenary.telemetry.v1 import (
    command_pb2,
    command_request_pb2,
    metric_query_pb2,
    run_request_pb2,
    telemetry_service_pb2_grpc,
    training_pb2,
)
from catenary_client.local import local_server

if TYPE_CHECKING:
    from collections.abc import Iterator

REPOSITORY = Path(__file__).resolve().parents[2]
PROPOSAL = REPOSITORY / "python/client/tests/telemetry/proposal"
CLIENT = Path(__file__).parent / "telemetry_proposal_client.py"
SECONDS = 60.0


@pytest.fixture(scope="module")
def stubs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("stubs")
    command = ["grpc_tools.protoc", f"-I{PROPOSAL}", f"--python_out={folder}", f"--grpc_python_out={folder}"]
    subprocess.run([sys.executable, "-m", *command, "telemetry.proto"], check=True)
    return folder


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    arguments = ["--only", "telemetry", "--telemetry", str(tmp_path / "runs")]
    with local_server(tmp_path / "log", arguments) as served:
        yield served


def test_the_sample_of_the_proposal_is_recorded_acknowledged_and_steered(address: str, stubs: Path) -> None:
    command = [sys.executable, str(CLIENT), str(stubs), address]
    with (
        grpc.insecure_channel(address) as channel,
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as client,
    ):
        stub = telemetry_service_pb2_grpc.TelemetryServiceStub(channel)
        responses = read(client)
        registered = next(responses)
        told = [next(responses) for _ in range(5)]
        rate = command_pb2.ControlCommand(
            command_id="c1", type=command_pb2.COMMAND_TYPE_CHANGE_LEARNING_RATE, learning_rate=0.001
        )
        stub.SendCommand(command_request_pb2.SendCommandRequest(run_id="train_001", command=rate), timeout=SECONDS)
        told += responses
        assert client.wait(SECONDS) == 0
        run = stub.GetRun(run_request_pb2.GetRunRequest(run_id="train_001"), timeout=SECONDS).run
        query = metric_query_pb2.QueryMetricsRequest(run_id="train_001", metric_names=["batch_loss", "current_fps"])
        series = stub.QueryMetrics(query, timeout=SECONDS).series
    assert registered == {
        "success": True,
        "session_id": "train_001",
        "message": "Session registered successfully",
        "server_config": {
            "max_batch_size": 64,
            "max_image_dimension": 512,
            "heartbeat_interval_ms": 2000,
            "buffer_size": 1000,
        },
    }
    assert [each["ack"].get("batch_idx", 0) for each in told if "ack" in each] == [0, 1, 2, 3, 4]
    assert [each["command"] for each in told if "command" in each] == [
        {"type": "CHANGE_LEARNING_RATE", "parameters": {"learning_rate": "0.001"}}
    ]
    assert len(told) == 6
    assert run.status == training_pb2.TRAINING_STATUS_COMPLETED
    assert [len(each.minimums) for each in series] == [5, 1]


def read(client: subprocess.Popen[str]) -> Iterator[dict[str, Any]]:
    assert client.stdout is not None
    for line in client.stdout:
        yield json.loads(line)
