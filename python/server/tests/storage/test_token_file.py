from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from catenary_server.domain.access import digest_of, new_token
from catenary_server.storage.token_file import TokenFileError, format_line, read_grants

if TYPE_CHECKING:
    from pathlib import Path

KNOWN = frozenset({"session.read", "session.write", "telemetry.read"})
DIGEST = "0123456789abcdef" * 4


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "tokens"


def test_a_line_that_was_written_is_read_as_it_was_meant(file: Path) -> None:
    digest = digest_of(new_token())
    assert digest is not None
    file.write_text(f"# comment\n\n{format_line(digest, 'alice', ['session.*', 'telemetry.read'], 1893456000.0)}\n")
    (grant,) = read_grants(file, KNOWN).values()
    assert (grant.digest, grant.principal, grant.scopes) == (digest, "alice", KNOWN)
    assert grant.expires == 1893456000.0


def test_a_time_without_a_line_means_no_end(file: Path) -> None:
    file.write_text(f"{DIGEST}\talice\tsession.read\n")
    assert read_grants(file, KNOWN)[bytes.fromhex(DIGEST)].expires is None


def test_several_tokens_may_stand_for_one_principal(file: Path) -> None:
    file.write_text(f"{DIGEST} alice session.read\n{DIGEST[::-1]} alice session.write\n")
    assert {grant.principal for grant in read_grants(file, KNOWN).values()} == {"alice"}
    assert len(read_grants(file, KNOWN)) == 2


@pytest.mark.parametrize(
    ("line", "says"),
    [
        (f"{DIGEST} alice", "columns"),
        (f"{DIGEST} alice session.read 2030-01-31T00:00:00Z more", "columns"),
        ("catenary_secret alice session.read", "SHA-256"),
        (f"{DIGEST.upper()} alice session.read", "SHA-256"),
        (f"{DIGEST} anonymous session.read", "anonymous"),
        (f"{DIGEST} a/b session.read", "principal"),
        (f"{DIGEST} alice session.reed", "no scope"),
        (f"{DIGEST} alice session.read,", "no scope"),
        (f"{DIGEST} alice session.read tomorrow", "no time"),
        (f"{DIGEST} alice session.read 2030-01-31T00:00:00", "time zone"),
    ],
)
def test_a_faulty_line_is_named_and_not_quoted(file: Path, line: str, says: str) -> None:
    file.write_text(f"# first\n{line}\n")
    with pytest.raises(TokenFileError, match="line 2") as refused:
        read_grants(file, KNOWN)
    assert says in str(refused.value)
    assert "catenary_secret" not in str(refused.value)
    assert DIGEST not in str(refused.value)


def test_a_token_has_one_line(file: Path) -> None:
    file.write_text(f"{DIGEST} alice session.read\n{DIGEST} bob session.read\n")
    with pytest.raises(TokenFileError, match="line 2"):
        read_grants(file, KNOWN)


def test_a_file_that_everyone_may_write_to_is_refused(file: Path) -> None:
    file.write_text(f"{DIGEST} alice session.read\n")
    file.chmod(0o666)
    with pytest.raises(TokenFileError, match="chmod o-w"):
        read_grants(file, KNOWN)


def test_a_missing_file_and_one_of_other_characters_are_told(file: Path) -> None:
    with pytest.raises(TokenFileError, match="No such file"):
        read_grants(file, KNOWN)
    file.write_bytes(b"\xff\xfe")
    with pytest.raises(TokenFileError, match="ASCII"):
        read_grants(file, KNOWN)
