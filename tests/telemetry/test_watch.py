"""A watch goes on where it was after the server was gone, and a command says what became of it."""

from __future__ import annotations

import json
import socket
from typing import TYPE_CHECKING

import pytest

from catenary.telemetry.v1 import metric_pb2
from catenary_client import Client, NotFoundError, RetryPolicy
from catenary_client.local import local_server
from catenary_client.telemetry import Run

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from catenary_client import RunEvent

    Command = Callable[..., subprocess.CompletedProcess[str]]

PATIENT = RetryPolicy(attempts=30)


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def steps(events: Iterator[RunEvent], last: int) -> list[tuple[int, int]]:
    """Position and step of every scalar up to a step."""
    found: list[tuple[int, int]] = []
    for event in events:
        if isinstance(event.message, metric_pb2.MetricBatch):
            found += ((event.sequence, sample.global_step) for sample in event.message.samples)
            if found[-1][1] >= last:
                break
    return found


def test_a_watch_misses_nothing_and_repeats_nothing_when_the_server_is_restarted(tmp_path: Path) -> None:
    arguments = ["--only", "telemetry", "--telemetry", str(tmp_path / "runs"), "--port", str(free_port())]
    with local_server(tmp_path / "log", arguments) as address:
        run = Run(address, name="watched", spill_root=tmp_path / "spill").start()
        for step in range(1, 11):
            run.log_scalars({"loss": 1.0}, step=step)
        client = Client(address, retry=PATIENT)
        watch = client.watch_run(run.run_id, after_sequence=0)
        before = steps(watch, 10)
    for step in range(11, 21):
        run.log_scalars({"loss": 1.0}, step=step)
    with local_server(tmp_path / "log", arguments):
        after = steps(watch, 20)
        assert run.close().complete
        kinds = [event.kind for event in watch]
    client.close()
    assert [step for _, step in before + after] == list(range(1, 21))
    positions = [position for position, _ in before + after]
    assert positions == sorted(positions)
    assert kinds[-1] == "run_ended"
    assert "snapshot" not in kinds


def test_a_run_that_is_not_there_is_refused_at_once(telemetry_server: str, catenary: Command) -> None:
    with Client(telemetry_server) as client:
        with pytest.raises(NotFoundError):
            next(client.watch_run("none"))
        with pytest.raises(NotFoundError):
            client.get_run("none")
        with pytest.raises(NotFoundError):
            client.delete_run("none")
    for words in (
        ["watch", "none"],
        ["command", "none", "pause"],
        ["runs", "show", "none"],
        ["runs", "delete", "none"],
    ):
        called = catenary(telemetry_server, *words, "--json")
        assert called.returncode == 1
        assert json.loads(called.stdout)["error"]["reason"] == "RUN_NOT_FOUND"


def test_a_command_line_that_cannot_be_meant_is_wrong_usage(telemetry_server: str, catenary: Command) -> None:
    for words in (["lr"], ["pause", "3"], ["batch-size", "2.5"], ["lr", "fast"], ["dance"]):
        assert catenary(telemetry_server, "command", "run", *words).returncode == 2


def test_a_command_that_nobody_obeys_in_time_says_so(telemetry_server: str, catenary: Command, tmp_path: Path) -> None:
    with Run(telemetry_server, spill_root=tmp_path / "spill") as run:
        run.step()
        called = catenary(telemetry_server, "command", run.run_id, "pause", "--wait", "0", "--expires-in", "30")
        assert called.returncode == 1
        assert "no result yet" in called.stdout
        expired = catenary(telemetry_server, "command", run.run_id, "stop", "--expires-in", "0.5", "--json")
        assert expired.returncode == 1
        assert json.loads(expired.stdout)["reason"] == "COMMAND_EXPIRED"
