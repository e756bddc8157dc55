"""What the settings say about access becomes what the server does, at start and when it is told to read again."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import pytest
from authority import Authority
from wire_client import method

from catenary_server.access import Access
from catenary_server.domain.access import digest_of, new_token
from catenary_server.domain.failure import Failure
from catenary_server.settings import Settings, SettingsError
from catenary_server.storage.token_file import format_line

if TYPE_CHECKING:
    from pathlib import Path


def line(token: str, principal: str = "alice") -> str:
    digest = digest_of(token)
    assert digest is not None
    return format_line(digest, principal, ["session.read"], None) + "\n"


def caller(access: Access, token: str) -> str:
    return access.authenticator.authenticate(method("GetSession"), {"authorization": f"Bearer {token}"})


def with_tokens(folder: Path, content: str) -> tuple[Access, Path]:
    file = folder / "tokens"
    file.write_text(content)
    return Access(Settings(configs=(folder,), artifacts=folder, tokens=file)), file


def test_without_tokens_everyone_is_anonymous(tmp_path: Path) -> None:
    access = Access(Settings(configs=(tmp_path,), artifacts=tmp_path))
    assert access.authenticator.authenticate(method("GetSession"), {}) == "anonymous"
    assert access.credentials() is None


def test_tokens_that_are_added_and_removed_count_after_reading_again(tmp_path: Path) -> None:
    first, second = new_token(), new_token()
    access, file = with_tokens(tmp_path, line(first))
    file.write_text(line(second, "bob"))
    assert caller(access, first) == "alice"
    access.reread()
    assert caller(access, second) == "bob"
    with pytest.raises(Failure):
        caller(access, first)


def test_a_faulty_file_of_tokens_changes_nothing_and_is_logged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    token = new_token()
    access, file = with_tokens(tmp_path, line(token))
    file.write_text(f"{token} alice session.read\n")
    with caplog.at_level(logging.ERROR):
        access.reread()
    assert caller(access, token) == "alice"
    assert "line 1" in caplog.text
    assert token not in caplog.text


def test_a_faulty_file_keeps_the_server_from_starting(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="line 1"):
        with_tokens(tmp_path, "nonsense\n")
    with pytest.raises(SettingsError, match="No such file"):
        Access(
            Settings(configs=(tmp_path,), artifacts=tmp_path, tls_cert=tmp_path / "no.pem", tls_key=tmp_path / "no.key")
        )


def test_a_faulty_certificate_is_logged_when_it_is_read_again(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    issued = Authority(tmp_path).issue("server")
    access = Access(Settings(configs=(tmp_path,), artifacts=tmp_path, tls_cert=issued.certificate, tls_key=issued.key))
    assert access.credentials() is not None
    with caplog.at_level(logging.INFO):
        access.reread()
        assert "read again" in caplog.text
        issued.certificate.write_text("nonsense")
        access.reread()
    assert "of before stays" in caplog.text


@pytest.mark.parametrize("tokens", [True, False])
def test_what_an_insecure_server_gives_up_is_logged(
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    tokens: bool,  # noqa: FBT001 - a table
) -> None:
    file = tmp_path / "tokens"
    file.write_text(line(new_token()))
    host = "0.0.0.0"  # noqa: S104 - what is warned of
    Access(Settings(host=host, insecure=True, configs=(tmp_path,), artifacts=tmp_path, tokens=file if tokens else None))
    assert "not encrypted" in caplog.text
    assert ("no tokens" in caplog.text) is not tokens
