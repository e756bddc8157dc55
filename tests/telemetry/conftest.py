"""A server of telemetry alone, and the command line against servers."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from catenary_client.local import local_server

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SECONDS = 100.0


@pytest.fixture(scope="module")
def telemetry_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """`host:port` of a server that takes telemetry alone; one for the tests of a module."""
    folder = tmp_path_factory.mktemp("telemetry_server")
    arguments = ["--only", "telemetry", "--telemetry", str(folder / "runs")]
    with local_server(folder / "log", arguments) as address:
        yield address


@pytest.fixture
def catenary() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs a command line against a server, in a process of its own."""

    def called(server: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "catenary_client.cli", *arguments, "--server", server]
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=SECONDS)

    return called


@pytest.fixture
def started() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts Python programs, which are ended with the test; their output comes line by line."""
    with contextlib.ExitStack() as stack:

        def start(*arguments: str, **options: Any) -> subprocess.Popen[str]:
            process = subprocess.Popen([sys.executable, "-u", *arguments], stdout=subprocess.PIPE, text=True, **options)
            stack.enter_context(process)
            stack.callback(process.kill)
            return process

        yield start
