from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from catenary_tools import check, generation

if TYPE_CHECKING:
    from pathlib import Path

PROTO = """\
// A thing.
syntax = "proto3";

package catenary.v1;

import "buf/validate/validate.proto";

// Serves things.
service ThingService {
  // Gets one.
  rpc GetThing(GetThingRequest) returns (GetThingResponse);
}

// Asks for a thing.
message GetThingRequest {
  // Its name.
  string name = 1 [(buf.validate.field).string.max_len = 64];
}

// Has a thing.
message GetThingResponse {}
"""


@pytest.fixture
def repository(workspace: Path) -> Path:
    """Return a repository that has the image of PROTO committed on ``main``."""
    write(workspace, PROTO)
    (workspace / ".gitignore").write_text("third_party/\n")
    image = workspace / generation.IMAGE
    image.parent.mkdir(parents=True)
    generation.build_image(workspace, image)
    identity = ["-c", "user.name=Test", "-c", "user.email=test@example.org"]
    for arguments in (["init", "-q", "-b", "main"], ["add", "."], [*identity, "commit", "-q", "-m", "first"]):
        subprocess.run(["git", *arguments], cwd=workspace, check=True)
    return workspace


def write(workspace: Path, text: str) -> None:
    file = workspace / "proto/catenary/v1/thing.proto"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)


@pytest.mark.parametrize("name", ["format", "lint", "breaking", "promises"])
def test_a_contract_without_faults_passes(repository: Path, name: str) -> None:
    assert check.CHECKS[name](repository) == check.FINE


@pytest.mark.parametrize(
    ("name", "before", "after"),
    [
        ("format", "  string name = 1", "      string name = 1"),
        ("lint", "  // Its name.\n", ""),
        ("breaking", "string name = 1", "string name = 2"),
        ("promises", "max_len = 64", "max_len = 63"),
    ],
)
def test_a_fault_is_found(repository: Path, name: str, before: str, after: str) -> None:
    write(repository, PROTO.replace(before, after))
    assert check.CHECKS[name](repository) == check.FOUND


@pytest.mark.parametrize("name", ["lint", "breaking"])
def test_protos_that_do_not_compile_cannot_be_checked(repository: Path, name: str) -> None:
    write(repository, PROTO.replace("string name", "strin name"))
    assert check.CHECKS[name](repository) != check.FINE


def test_a_check_that_cannot_be_made_is_told_apart(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(repository, PROTO.replace("string name", "strin name"))
    assert check._run_one(repository, "promises") == check.UNABLE
    assert "could not check" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["breaking", "promises"])
def test_without_a_baseline_the_check_says_so_and_passes(
    workspace: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    write(workspace, PROTO)
    assert check.CHECKS[name](workspace) == check.FINE
    assert "nothing to compare with yet" in capsys.readouterr().out


def test_breaking_promises_are_listed(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(repository, PROTO.replace("max_len = 64", "max_len = 63"))
    check.check_promises(repository)
    assert "catenary.v1.GetThingRequest.name: rule string.max_len: <= 64 -> <= 63" in capsys.readouterr().out


def test_an_unknown_check_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert check.main(["nothing"]) == check.UNABLE
    assert "no such check: nothing" in capsys.readouterr().err
