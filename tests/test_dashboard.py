"""`catenary serve` with its dashboard, as an operator meets it."""

from __future__ import annotations

import contextlib
import http.client
import signal
import socket
import subprocess
import sys
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import psutil
import pytest
from websockets.sync.client import connect

from catenary.dashboard.v1 import frame_pb2
from catenary.telemetry.v1 import registration_pb2, run_request_pb2, watch_pb2
from catenary_client.local import ServerNotStarted, local_server

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TELEMETRY = "/catenary.telemetry.v1.TelemetryService"
SECONDS = 20.0


def alone(folder: Path, *more: str) -> list[str]:
    """Arguments of a server that starts fast."""
    return ["--only", "telemetry", "--telemetry", str(folder / "runs"), *more]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("dashboard")


@pytest.fixture(scope="module")
def url(folder: Path) -> Iterator[str]:
    with local_server(folder / "log", alone(folder, "--dashboard-file", str(folder / "url"))):
        yield (folder / "url").read_text().strip()


def request(url: str, verb: str, path: str, body: bytes | None = None) -> tuple[int, bytes]:
    where = urlsplit(url)
    headers = {} if body is None else {"Content-Type": "application/proto", "Connect-Protocol-Version": "1"}
    with contextlib.closing(
        http.client.HTTPConnection(where.hostname or "", where.port, timeout=SECONDS)
    ) as connection:
        connection.request(verb, path, body, headers)
        answer = connection.getresponse()
        return answer.status, answer.read()


def call(url: str, name: str, body: bytes = b"") -> bytes:
    status, answer = request(url, "POST", f"{TELEMETRY}/{name}", body)
    assert status == 200, answer
    return answer


def register(url: str, run_id: str) -> None:
    message = registration_pb2.RegisterTrainingSessionRequest(session_id=run_id)
    call(url, "RegisterTrainingSession", message.SerializeToString())


def test_the_log_says_where_the_dashboard_is(url: str, folder: Path) -> None:
    assert f"Dashboard: {url}" in (folder / "log").read_text()
    assert urlsplit(url).hostname == "127.0.0.1"


def test_it_answers_pages_and_calls(url: str) -> None:
    assert request(url, "GET", "/")[0] == 200
    register(url, "seen-by-all")
    runs = run_request_pb2.ListRunsResponse.FromString(call(url, "ListRuns")).runs
    assert "seen-by-all" in [run.run_id for run in runs]


def test_a_server_can_have_no_dashboard(tmp_path: Path) -> None:
    before = set(psutil.Process().children())
    with local_server(tmp_path / "log", alone(tmp_path, "--no-dashboard")) as address:
        started = set(psutil.Process().children()) - before
        ports = {
            each.laddr.port
            for process in started
            for each in process.net_connections()
            if each.status == psutil.CONN_LISTEN
        }
    assert ports == {int(address.rpartition(":")[2])}
    assert "Dashboard" not in (tmp_path / "log").read_text()


def test_a_port_that_is_taken_is_named_with_the_option_that_moves_it(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with (
            pytest.raises(ServerNotStarted, match=rf"{port}: it is taken .*--dashboard-port"),
            local_server(tmp_path / "log", alone(tmp_path, "--dashboard-port", str(port))),
        ):
            pass


def test_a_page_that_watches_does_not_hold_up_the_end(tmp_path: Path) -> None:
    files = ["--port-file", str(tmp_path / "port"), "--dashboard-file", "/dev/stdout"]
    command = [sys.executable, "-m", "catenary_server", "--port", "0", *files, *alone(tmp_path, "--grace", "600")]
    with (
        (tmp_path / "log").open("wb") as log,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True) as server,
    ):
        assert server.stdout is not None
        url = server.stdout.readline().strip()
        register(url, "run")
        with connect(f"ws://{urlsplit(url).netloc}/streams", proxy=None) as page:
            page.send(frame_pb2.ClientFrame(hello=frame_pb2.Hello()).SerializeToString())
            watch = watch_pb2.WatchRunRequest(run_id="run").SerializeToString()
            opening = frame_pb2.Open(method_path=f"{TELEMETRY}/WatchRun", request=watch, credit=10)
            page.send(frame_pb2.ClientFrame(call_id=1, open=opening).SerializeToString())
            for expected in ("welcome", "message"):
                received = page.recv(SECONDS)
                assert isinstance(received, bytes)
                assert frame_pb2.ServerFrame.FromString(received).WhichOneof("frame") == expected
            server.send_signal(signal.SIGTERM)
            assert server.wait(SECONDS) == 0
    assert "Traceback" not in (tmp_path / "log").read_text()
