"""A server of telemetry alone: light, and it says what it is."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import grpc
import psutil
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from catenary.telemetry.v1 import registration_pb2, telemetry_service_pb2_grpc
from catenary_client import Client, UnsupportedError
from catenary_client.local import ServerNotStarted, local_server

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HEAVY = ("torch", "lightning", "matplotlib", "hydra", "omegaconf", "catenary_scenes", "catenary_server.runtimes")
SECONDS = 20.0


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("alone")
    arguments = ["--only", "telemetry", "--telemetry", str(folder / "runs")]
    with local_server(folder / "log", arguments) as address:
        yield address


def mapped_files(process: psutil.Process) -> str:
    return " ".join(region.path for region in process.memory_maps())


def process_of(address: str) -> psutil.Process:
    port = int(address.rpartition(":")[2])
    (process,) = (
        child
        for child in psutil.Process().children()
        if any(connection.laddr[1:] == (port,) for connection in child.net_connections())
    )
    return process


def test_it_uses_the_memory_of_messages_again(alone: str) -> None:
    # The C library cuts the value at its first colon once it has read it.
    assert "glibc.malloc.mmap_threshold=" in process_of(alone).environ()["GLIBC_TUNABLES"]


def test_it_maps_no_torch_and_starts_no_other_process(alone: str) -> None:
    process = process_of(alone)
    assert "libtorch" not in mapped_files(process)
    assert process.children(recursive=True) == []


def test_it_imports_nothing_of_what_trains_or_composes_configurations() -> None:
    code = (
        "import sys, catenary_server.commands, catenary_server.access, catenary_server.telemetry_wiring;"
        f"print([name for name in {HEAVY!r} if name in sys.modules])"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"


def test_it_says_that_it_takes_telemetry_and_nothing_else(alone: str) -> None:
    with Client(alone) as client:
        info = client.server_info()
    assert [each.name for each in info.capabilities] == ["telemetry"]
    assert (info.limits.sessions.server.total, list(info.devices)) == (0, [])


def test_sessions_are_refused_as_a_feature_that_it_lacks(alone: str) -> None:
    with Client(alone) as client, pytest.raises(UnsupportedError) as raised:
        client.session()
    assert raised.value.reason == "FEATURE_DISABLED"


def test_its_health_names_the_services_that_it_has(alone: str) -> None:
    with grpc.insecure_channel(alone) as channel:
        check = health_pb2_grpc.HealthStub(channel).Check
        for service in ("", "catenary.telemetry.v1.TelemetryService"):
            answer = check(health_pb2.HealthCheckRequest(service=service), timeout=SECONDS)
            assert answer.status == health_pb2.HealthCheckResponse.SERVING


def test_a_second_server_on_the_same_folder_says_what_is_wrong(tmp_path: Path) -> None:
    arguments = ["--only", "telemetry", "--telemetry", str(tmp_path / "runs")]
    with (
        local_server(tmp_path / "log", arguments),
        pytest.raises(ServerNotStarted, match="another server uses this telemetry folder"),
        local_server(tmp_path / "second", arguments),
    ):
        pass


def test_writers_are_told_the_limits_that_the_operator_set(tmp_path: Path) -> None:
    limits = {"max-batch": "16", "max-image": "64", "heartbeat": "0.5", "buffer": "10"}
    arguments = ["--only", "telemetry", "--telemetry", str(tmp_path / "runs")]
    arguments += [word for name, value in limits.items() for word in (f"--telemetry-{name}", value)]
    with local_server(tmp_path / "log", arguments) as address, grpc.insecure_channel(address) as channel:
        register = telemetry_service_pb2_grpc.TelemetryServiceStub(channel).RegisterTrainingSession
        config = register(registration_pb2.RegisterTrainingSessionRequest(), timeout=SECONDS).server_config
    assert (config.max_batch_size, config.max_image_dimension) == (16, 64)
    assert (config.heartbeat_interval_ms, config.buffer_size) == (500, 10)
