"""The stubs under a strict type checker: right use passes, wrong use is reported.

What it finds out about the stubs is kept between the tests and between test runs.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

CONFIGURATION = """\
[mypy]
strict = True
[mypy-google.rpc.*]
ignore_missing_imports = True
"""
PRELUDE = """\
import grpc
import grpc.aio
from catenary.v1 import error_pb2, session_requests_pb2 as requests, session_service_pb2_grpc as services

"""
RIGHT = """\
def blocking(channel: grpc.Channel) -> str:
    stub = services.SessionServiceStub(channel)
    return stub.CreateSession(requests.CreateSessionRequest(request_id="a"), timeout=3).session_id

async def later(channel: grpc.aio.Channel) -> str:
    stub = services.SessionServiceStub(channel)
    return (await stub.CreateSession(requests.CreateSessionRequest())).session_id

failure = error_pb2.Failure(reason=error_pb2.ERROR_REASON_INTERNAL_BUG, message="a")
"""
BLOCKING = "def use(stub: services.SessionServiceStub) -> None:\n    "
WRONG = {
    "another request": (BLOCKING + "stub.CreateSession(requests.GetSessionRequest())", "arg-type"),
    "a method that is not there": (BLOCKING + "stub.CreateSesion(requests.CreateSessionRequest())", "attr-defined"),
    "a field of another type": ("requests.CreateSessionRequest(request_id=3)", "arg-type"),
    "a field that is not there": ("requests.CreateSessionRequest(session=3)", "call-arg"),
    "a result of another type": (
        BLOCKING + "result: int = stub.CreateSession(requests.CreateSessionRequest()).session_id",
        "assignment",
    ),
    "a string for an enum": ("error_pb2.Failure(reason='INTERNAL_BUG')", "arg-type"),
    "a servicer without all methods": ("services.SessionServiceServicer()", "abstract"),
}


Check = Callable[..., str]


@pytest.fixture
def check(tmp_path: Path, pytestconfig: pytest.Config) -> Check:
    """What the type checker says of a program, or with other arguments."""
    cache = pytestconfig.cache.mkdir("mypy-of-the-stubs")
    (tmp_path / "mypy.ini").write_text(CONFIGURATION)

    def checked(source: str, *arguments: str) -> str:
        (tmp_path / "use.py").write_text(PRELUDE + source)
        command = [sys.executable, "-m", "mypy", "--config-file", "mypy.ini", "--cache-dir", str(cache)]
        command += arguments or ["use.py"]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False).stdout

    return checked


def test_right_use_of_the_stubs_passes(check: Check) -> None:
    assert check(RIGHT).startswith("Success")


def test_wrong_use_of_the_stubs_is_a_type_error(check: Check) -> None:
    source = "\n".join(
        f"def case_{index}() -> None:\n" + _indent(code) for index, (code, _) in enumerate(WRONG.values())
    )
    output = check(source)
    errors = [line for line in output.splitlines() if ": error: " in line]
    assert [line.rpartition("[")[2].rstrip("]") for line in errors] == [code for _, code in WRONG.values()], output


def test_the_stubs_themselves_pass(check: Check) -> None:
    output = check(RIGHT, "-p", "catenary")
    assert output.startswith("Success"), output


def _indent(code: str) -> str:
    return "".join(f"    {line}\n" for line in code.splitlines())
