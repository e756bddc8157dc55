from __future__ import annotations

import stat
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner, Result

from catenary_server.domain.access import digest_of
from catenary_server.storage.token_file import read_grants
from catenary_server.token_commands import tokens
from catenary_server.transport.interceptors.authentication import contract_scopes

if TYPE_CHECKING:
    from pathlib import Path


def run(*arguments: str) -> Result:
    return CliRunner().invoke(tokens, arguments)


def test_a_token_and_its_line_are_printed_each_on_a_line_of_its_own(tmp_path: Path) -> None:
    result = run("create", "--principal", "alice", "--scope", "session.*", "--expires", "90d")
    assert result.exit_code == 0
    token, line = result.stdout.splitlines()
    assert token not in line
    (tmp_path / "tokens").write_text(line)
    grants = read_grants(tmp_path / "tokens", contract_scopes())
    grant = grants[digest_of(token) or b""]
    assert (grant.principal, grant.scopes) == ("alice", {"session.read", "session.write"})
    assert grant.expires is not None


def test_lines_are_added_to_a_file_that_is_its_owners_alone(tmp_path: Path) -> None:
    file = tmp_path / "tokens"
    first = run("create", "--principal", "alice", "--scope", "*.read", "--append", str(file)).stdout.strip()
    file.write_text(file.read_text().rstrip("\n"))
    second = run("create", "--principal", "bob", "--scope", "*.*", "--append", str(file)).stdout.strip()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    grants = read_grants(file, contract_scopes())
    assert [grants[digest_of(token) or b""].principal for token in (first, second)] == ["alice", "bob"]
    assert first not in file.read_text()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--principal", "anonymous", "--scope", "*.*"], "anonymous"),
        (["--principal", "a", "--scope", "session.reed"], "no scope"),
        (["--principal", "a", "--scope", "*.*", "--expires", "soon"], "no time"),
        (["--principal", "a", "--scope", "*.*", "--expires", "2020-01-01T00:00:00Z"], "past"),
        (["--principal", "a", "--scope", "*.*", "--append", "/nowhere/tokens"], "cannot add"),
    ],
)
def test_what_cannot_be_granted_is_a_usage_error(arguments: list[str], says: str) -> None:
    result = run("create", *arguments)
    assert result.exit_code == 2
    assert says in result.stderr
    assert "catenary_" not in result.stdout


def test_a_file_is_checked_and_told_in_words(tmp_path: Path) -> None:
    file = tmp_path / "tokens"
    run("create", "--principal", "alice", "--scope", "*.*", "--append", str(file))
    run("create", "--principal", "bob", "--scope", "plugin.read", "--expires", "2h", "--append", str(file))
    lines = run("check", str(file)).stdout.splitlines()
    assert lines[0] == "alice: every scope"
    assert lines[1].startswith("bob: plugin.read, until ")
    file.write_text("nonsense")
    result = run("check", str(file))
    assert result.exit_code == 2
    assert "line 1" in result.stderr
