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

from catenary_conformance.report.writing import read

if TYPE_CHECKING:
    from pathlib import Path

    from standin import Standin


def suite(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "catenary_conformance", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=100, check=False)


@pytest.fixture
def ran_on_faulty(standin: Standin, tmp_path: Path) -> subprocess.CompletedProcess[str]:
    standin.faults |= {"misnamed field", "leaks a path"}
    what = [
        "--only",
        "CloseSession-session_id",
        "--only",
        "test_a_refusal_shows_nothing_private[no message-v1.SessionS",
    ]
    return suite("run", standin.address, *what, folder=tmp_path)


def test_a_server_that_keeps_the_contract_passes_and_the_rest_does_not_apply(standin: Standin, tmp_path: Path) -> None:
    ran = suite("run", standin.address, "--only", "CAT-ERR-001", "--only", "CAT-ERR-003", folder=tmp_path)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    report = read(tmp_path / "conformance-report")
    assert report.target.implementation_name == "stand-in"
    assert report.target.claimed_capabilities == ["sessions"]
    standings = {each.capability_name: each.standing for each in report.capabilities}
    assert standings["telemetry"] != standings["sessions"]
    assert not standin.sessions
    assert not report.leaks


def test_faults_are_found_and_told(ran_on_faulty: subprocess.CompletedProcess[str], tmp_path: Path) -> None:
    assert ran_on_faulty.returncode == 1, ran_on_faulty.stdout + ran_on_faulty.stderr
    assert "nonconformant" in ran_on_faulty.stdout
    assert "CAT-ERR-001" in ran_on_faulty.stdout
    folder = tmp_path / "conformance-report"
    report = read(folder)
    failed = {each.requirement_id for each in report.requirements if each.verdict == 2}
    assert failed == {"CAT-ERR-001", "CAT-ERR-007"}
    root = ET.parse(folder / "junit.xml").getroot()[0]  # noqa: S314 - our own file
    assert int(root.get("failures", 0)) == len(root.findall("testcase/failure")) > 0
    assert "nonconformant" in (folder / "matrix.html").read_text()
    assert json.loads((folder / "badge.json").read_text())["message"].startswith("nonconformant")
    assert (folder / "known-failing.toml").read_text().startswith("[[known]]")


@pytest.mark.usefixtures("ran_on_faulty")
def test_a_failure_is_replayed_until_it_is_mended(standin: Standin, tmp_path: Path) -> None:
    transcripts = sorted((tmp_path / "conformance-report" / "transcripts").glob("*CloseSession*.json"))
    assert transcripts
    assert suite("replay", str(transcripts[0]), standin.address, folder=tmp_path).returncode == 0
    told = transcripts[0].with_name(transcripts[0].name.replace(".transcript.json", ".txt")).read_text()
    assert "grpcurl -plaintext" in told


def test_what_changed_between_two_reports_is_told(
    ran_on_faulty: subprocess.CompletedProcess[str], standin: Standin, tmp_path: Path
) -> None:
    standin.faults.clear()
    suite("run", standin.address, "--only", "CloseSession-session_id", "--report", "better", folder=tmp_path)
    assert ran_on_faulty.returncode == 1
    assert suite("diff", "conformance-report", "better", folder=tmp_path).returncode == 0
    worse = suite("diff", "better", "conformance-report", folder=tmp_path)
    assert worse.returncode == 1
    assert "CAT-ERR-001" in worse.stdout


def test_nobody_at_the_address_is_status_3(tmp_path: Path) -> None:
    ran = suite("run", "127.0.0.1:1", "--time-factor", "0.1", folder=tmp_path)
    assert ran.returncode == 3
    assert "127.0.0.1:1" in ran.stderr


@pytest.mark.parametrize(
    "arguments", [["run", "x", "--budget", "soon"], ["show", "CAT-XXX-001"], ["replay", "none", "x"]]
)
def test_wrong_usage_is_status_2(arguments: list[str], tmp_path: Path) -> None:
    assert suite(*arguments, folder=tmp_path).returncode == 2


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


def test_the_catalogue_knows_which_cases_decide_a_requirement(tmp_path: Path) -> None:
    shown = json.loads(suite("show", "CAT-SES-007", "--json", folder=tmp_path).stdout)
    assert shown["level"] == "MUST"
    assert any(each.startswith("sessions/") for each in shown["cases"])
