"""Who may call a secured server, over the network and over the command line; and what its log says of it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from catenary_client import (
    NO_RETRY,
    AuthenticationError,
    Client,
    ConnectionFailedError,
    PermissionDeniedError,
    tls_credentials,
)
from catenary_client.cli import exit_codes
from catenary_server.domain.access import new_token

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from secured_server import SecuredServer


def catenary(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "catenary_client.cli", *arguments]
    variables = {**os.environ, **environment}
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=100, env=variables)


def until(happened: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + 30
    while not happened():
        assert time.monotonic() < deadline, what


def test_a_token_opens_what_its_scopes_say(secured: SecuredServer) -> None:
    with secured.client(secured.viewer) as viewer:
        assert viewer.sessions() == []
        with pytest.raises(PermissionDeniedError, match=r"session\.write") as denied:
            viewer.session()
    assert denied.value.reason == "SCOPE_MISSING"


@pytest.mark.parametrize("reason", ["TOKEN_MISSING", "TOKEN_INVALID"])
def test_a_caller_without_a_known_token_is_told_so(secured: SecuredServer, reason: str) -> None:
    with (
        secured.client("" if reason == "TOKEN_MISSING" else new_token()) as client,
        pytest.raises(AuthenticationError) as refused,
    ):
        client.server_info()
    assert refused.value.reason == reason


def test_health_needs_no_token(secured: SecuredServer) -> None:
    credentials = grpc.ssl_channel_credentials(secured.ca.read_bytes())
    with grpc.secure_channel(secured.address, credentials) as channel:
        answer = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=20)
    assert answer.status == health_pb2.HealthCheckResponse.SERVING


def why_lost(client: Client) -> str:
    with client, pytest.raises(ConnectionFailedError) as lost:
        client.server_info()
    return str(lost.value)


def test_connections_that_fail_say_what_to_do(secured: SecuredServer) -> None:
    assert "--tls" in why_lost(Client(secured.address, token=secured.alice, retry=NO_RETRY))
    system = Client(secured.address, credentials=tls_credentials(), token=secured.alice, retry=NO_RETRY)
    assert "--tls-ca" in why_lost(system)


def test_a_certificate_is_taken_by_a_name_it_has_only(secured: SecuredServer) -> None:
    with secured.client(secured.alice, server_name="localhost") as client:
        assert client.server_info().server_epoch
    fooled = secured.client(secured.alice, server_name="other.example.org", retry=NO_RETRY)
    assert "--tls-server-name" in why_lost(fooled)


def test_the_command_line_takes_token_and_authority_from_its_environment(secured: SecuredServer) -> None:
    known = {"CATENARY_SERVER": secured.address, "CATENARY_TLS_CA": str(secured.ca)}
    shown = catenary("info", "--json", **known, CATENARY_TOKEN=secured.alice)
    assert shown.returncode == exit_codes.OK
    assert json.loads(shown.stdout)["server_name"] == "catenary"
    refused = catenary("info", **known, CATENARY_TOKEN=new_token())
    assert refused.returncode == exit_codes.REFUSED
    assert "TOKEN_INVALID" in refused.stderr
    unsent = catenary("info", "--server", "gpu.example.org:50051", "--token", secured.alice)
    assert unsent.returncode == exit_codes.USAGE
    assert "--plaintext-token" in unsent.stderr
    assert secured.alice not in unsent.stderr


def test_tokens_change_while_the_server_runs(secured: SecuredServer) -> None:
    before = secured.token_file.read_text()
    lines = before.splitlines(keepends=True)
    with secured.client(secured.viewer) as viewer:
        viewer.sessions()
        secured.token_file.write_text("".join(line for line in lines if " viewer " not in line))
        os.kill(secured.pid, signal.SIGHUP)
        until(lambda: _refused(viewer), "the token is still taken")
        secured.token_file.write_text("nonsense\n")
        os.kill(secured.pid, signal.SIGHUP)
        until(lambda: "tokens of before stay" in secured.log.read_text(), "the faulty file is not logged")
        with secured.client(secured.alice) as alice:
            alice.sessions()
        secured.token_file.write_text(before)
        os.kill(secured.pid, signal.SIGHUP)
        until(lambda: not _refused(viewer), "the token is still refused")


def _refused(client: Client) -> bool:
    try:
        client.sessions()
    except AuthenticationError:
        return True
    return False


def test_no_line_of_the_log_holds_a_token(secured: SecuredServer) -> None:
    presented = new_token()
    with secured.client(presented) as unknown, pytest.raises(AuthenticationError):
        unknown.sessions()
    with secured.client(secured.viewer) as viewer, pytest.raises(PermissionDeniedError):
        viewer.session()
    until(lambda: "want of a scope" in secured.log.read_text(), "the refusal is not logged")
    log = secured.log.read_text()
    for token in (presented, secured.alice, secured.bob, secured.viewer):
        assert token not in log
    assert "catenary_" not in "".join(line for line in log.splitlines() if '"logger": "catenary_' not in line)
    for line in log.splitlines():
        json.loads(line)


@pytest.mark.parametrize("given", ["nothing", "tokens", "tls"])
def test_a_network_address_is_refused_without_encryption_and_tokens(
    secured: SecuredServer, tmp_path: Path, given: str
) -> None:
    folder = secured.ca.parent
    options = {
        "nothing": [],
        "tokens": ["--tokens", str(secured.token_file)],
        "tls": ["--tls-cert", str(folder / "server.pem"), "--tls-key", str(folder / "server.key")],
    }[given]
    command = ["serve", "--host", "0.0.0.0", "--port", "0", "--configs", str(tmp_path), "--artifacts", str(tmp_path)]  # noqa: S104 - what is refused
    refused = catenary(*command, *options)
    assert refused.returncode == 2
    assert "--insecure" in refused.stderr
