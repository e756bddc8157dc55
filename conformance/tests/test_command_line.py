"""The whole suite on a small server, as an implementer runs it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import xml.etree.ElementTree as ET
from typing import TYPE_CHECKING

import pytest
from standin import Standin

from catenary.conformance.v1.report_pb2 import CapabilityResult
from catenary.conformance.v1.verdict_pb2 import VERDICT_FAIL
from catenary_conformance.cli import main
from catenary_conformance.report.writing import read

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

StandingName = CapabilityResult.Standing


def suite(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "catenary_conformance", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=100, check=False)


def called(*arguments: str) -> int:
    """A command in this process; its exit status."""
    with pytest.raises(SystemExit) as left:
        main(arguments)
    return int(left.value.code or 0)


@pytest.fixture(scope="module")
def faulty() -> Iterator[Standin]:
    with Standin() as server:
        server.faults |= {"misnamed field", "leaks a path"}
        yield server


@pytest.fixture(scope="module")
def ran_on_faulty(faulty: Standin, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """Folder of the report, and what was printed."""
    folder = tmp_path_factory.mktemp("faulty")
    what = [
        "--only",
        "CloseSession-session_id",
        "--only",
        "test_a_refusal_shows_nothing_private[no message-v1.SessionS",
    ]
    ran = suite("run", faulty.address, *what, folder=folder)
    assert ran.returncode == 1, ran.stdout + ran.stderr
    return folder / "conformance-report", ran.stdout


@pytest.fixture(scope="module")
def ran_on_good(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """Folder of the report, and what was printed."""
    folder = tmp_path_factory.mktemp("good")
    with Standin() as server:
        what = ["--only", "CloseSession-session_id", "--only", "CAT-ERR-003", "--only", "CAT-SES-020"]
        ran = suite("run", server.address, *what, folder=folder)
        assert ran.returncode == 0, ran.stdout + ran.stderr
        assert not server.sessions
    return folder / "conformance-report", ran.stdout


def test_a_server_that_keeps_the_contract_passes_and_the_rest_does_not_apply(ran_on_good: tuple[Path, str]) -> None:
    report = read(ran_on_good[0])
    assert report.target.implementation_name == "stand-in"
    assert report.target.claimed_capabilities == ["sessions"]
    standings = {each.capability_name: each.standing for each in report.capabilities}
    assert standings["telemetry"] == StandingName.Value("STANDING_ABSENT")
    assert standings["sessions"] == StandingName.Value("STANDING_UNPROVEN")
    assert not report.leaks


def test_faults_are_found_and_told(ran_on_faulty: tuple[Path, str]) -> None:
    folder, printed = ran_on_faulty
    assert "nonconformant" in printed
    assert "CAT-ERR-001" in printed
    report = read(folder)
    failed = {each.requirement_id for each in report.requirements if each.verdict == VERDICT_FAIL}
    assert failed == {"CAT-ERR-001", "CAT-ERR-007"}
    root = ET.parse(folder / "junit.xml").getroot()[0]  # noqa: S314 - our own file
    assert int(root.get("failures", 0)) == len(root.findall("testcase/failure")) > 0
    assert "nonconformant" in (folder / "matrix.html").read_text()
    assert json.loads((folder / "badge.json").read_text())["message"].startswith("nonconformant")
    assert (folder / "known-failing.toml").read_text().startswith("[[known]]")


def test_a_failure_is_replayed_the_same_every_time(ran_on_faulty: tuple[Path, str], faulty: Standin) -> None:
    (transcript, *_) = sorted((ran_on_faulty[0] / "transcripts").glob("*CloseSession*.json"))
    assert [called("replay", str(transcript), faulty.address) for _ in range(3)] == [0, 0, 0]
    told = transcript.with_name(transcript.name.replace(".transcript.json", ".txt")).read_text()
    assert "grpcurl -plaintext" in told


def test_what_changed_between_two_reports_is_told(
    ran_on_faulty: tuple[Path, str], ran_on_good: tuple[Path, str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert called("diff", str(ran_on_good[0]), str(ran_on_good[0])) == 0
    assert "no change" in capsys.readouterr().out
    assert called("diff", str(ran_on_good[0]), str(ran_on_faulty[0])) == 1
    assert "CAT-ERR-001" in capsys.readouterr().out


def test_nobody_at_the_address_is_status_3(tmp_path: Path) -> None:
    ran = suite("run", "127.0.0.1:1", "--time-factor", "0.1", folder=tmp_path)
    assert ran.returncode == 3
    assert "127.0.0.1:1" in ran.stderr


@pytest.mark.parametrize(
    "arguments", [["run", "x", "--budget", "soon"], ["show", "CAT-XXX-001"], ["replay", "none", "x"]]
)
def test_wrong_usage_is_status_2(arguments: list[str]) -> None:
    assert called(*arguments) == 2


def test_an_interrupted_run_leaves_nothing_behind(standin: Standin, tmp_path: Path) -> None:
    created = threading.Event()
    standin.before = lambda name: created.set() if name == "GetSession" else None
    command = [sys.executable, "-m", "catenary_conformance", "run", standin.address, "--only", "SES"]
    process = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, text=True)
    assert created.wait(60)
    os.kill(process.pid, signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode == 130
    assert not standin.sessions
    assert (tmp_path / "conformance-report" / "report.json").exists()


def test_the_catalogue_knows_which_cases_decide_a_requirement(capsys: pytest.CaptureFixture[str]) -> None:
    assert called("show", "CAT-SES-007", "--json") == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["level"] == "MUST"
    assert any(each.startswith("sessions/") for each in shown["cases"])
