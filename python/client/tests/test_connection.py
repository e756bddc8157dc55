from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from catenary_client import AsyncClient, Client, InsecureTokenError, tls_credentials
from catenary_client.connection import check_token, connection_help, is_local

if TYPE_CHECKING:
    from pathlib import Path

LOCAL = ["localhost:50051", "127.0.0.1:50051", "[::1]:50051", "127.3.4.5:1", "unix:/run/server", "unix-abstract:x",
         "dns:///localhost:50051", "::1"]  # fmt: skip
REMOTE = ["gpu:50051", "10.0.0.1:50051", "[2001:db8::1]:50051", "localhost.example.org:1", "dns:///gpu:50051",
          "127.0.0.1.example.org:50051", "0.0.0.0:50051"]  # fmt: skip


@pytest.mark.parametrize("address", LOCAL)
def test_what_stays_on_this_machine_may_carry_a_token(address: str) -> None:
    assert is_local(address)
    check_token(address, "secret", encrypted=False)


@pytest.mark.parametrize("address", REMOTE)
def test_a_token_leaves_this_machine_encrypted_or_by_consent_only(address: str) -> None:
    assert not is_local(address)
    with pytest.raises(InsecureTokenError) as refused:
        check_token(address, "secret", encrypted=False)
    assert "secret" not in str(refused.value)
    check_token(address, "secret", encrypted=True)
    check_token(address, "secret", encrypted=False, plaintext=True)
    check_token(address, "", encrypted=False)


@pytest.mark.parametrize("token", ["secret"])
def test_clients_of_both_kinds_refuse_before_they_connect(token: str) -> None:
    with pytest.raises(InsecureTokenError):
        Client("gpu:50051", token=token)
    with pytest.raises(InsecureTokenError):
        AsyncClient("gpu:50051", token=token)


@pytest.mark.parametrize("token", ["sec\nret", "secret ", "s\u00e9cret", "\x00"])
def test_what_no_header_can_hold_is_refused_and_not_quoted(token: str) -> None:
    with pytest.raises(ValueError, match="characters") as refused:
        Client("localhost:1", token=token)
    assert token not in str(refused.value)


def test_a_certificate_goes_with_its_key(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="belong together"):
        tls_credentials(certificate=tmp_path / "client.pem")
    with pytest.raises(FileNotFoundError):
        tls_credentials(tmp_path / "missing.pem")


@pytest.mark.parametrize(
    ("message", "encrypted", "says"),
    [
        ("SSL_ERROR_SSL: CERTIFICATE_VERIFY_FAILED: self signed", True, "--tls-ca"),
        ("Hostname Verification Check failed", True, "--tls-server-name"),
        ("hostname lookup error: Failed to parse port in name", False, "catenary serve"),
        ("SSL routines: WRONG_VERSION_NUMBER", True, "without TLS"),
        ("Socket closed", False, "--tls"),
        ("Socket closed", True, "client certificate"),
        ("Connection refused", False, "catenary serve"),
    ],
)
def test_a_connection_that_fails_is_explained(message: str, encrypted: bool, says: str) -> None:  # noqa: FBT001 - a table
    assert says in connection_help("gpu:50051", message, encrypted=encrypted)
