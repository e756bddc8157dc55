from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from catenary_tools import baseline
from catenary_tools.generation import IMAGE

if TYPE_CHECKING:
    from pathlib import Path


class Repository:
    """A repository whose commits have an image and a proto with the text that they are made with."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.git("init", "-q", "-b", "main")

    def git(self, *arguments: str) -> str:
        identity = ["-c", "user.name=Test", "-c", "user.email=test@example.org"]
        command = ["git", *identity, *arguments]
        return subprocess.run(command, cwd=self.root, capture_output=True, text=True, check=True).stdout.strip()

    def write(self, text: str) -> None:
        for file in (self.root / IMAGE, self.root / "proto/thing.proto"):
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)

    def commit(self, text: str) -> str:
        self.write(text)
        self.git("add", ".")
        self.git("commit", "-q", "-m", text)
        return self.git("rev-parse", "HEAD")


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path)


def image(repository: Repository) -> bytes | None:
    found = baseline.find(repository.root)
    return None if found is None else found.image


def test_the_last_release_is_the_baseline(repository: Repository) -> None:
    repository.commit("first")
    repository.git("tag", "v0.1.0")
    repository.commit("second")
    repository.git("tag", "v0.2.0")
    repository.git("tag", "something-else")
    repository.commit("third")
    found = baseline.find(repository.root)
    assert found is not None
    assert (found.revision, found.image) == ("v0.2.0", b"second")


def test_before_a_release_a_branch_is_compared_with_where_it_left_main(repository: Repository) -> None:
    repository.commit("first")
    repository.git("switch", "-q", "-c", "branch")
    repository.commit("second")
    repository.commit("third")
    assert image(repository) == b"first"


def test_changes_on_main_are_compared_with_the_last_commit(repository: Repository) -> None:
    repository.commit("first")
    repository.commit("second")
    repository.write("third")
    assert image(repository) == b"second"


def test_main_without_changes_is_compared_with_the_commit_before(repository: Repository) -> None:
    repository.commit("first")
    repository.commit("second")
    assert image(repository) == b"first"


def test_the_first_commit_has_no_baseline(repository: Repository) -> None:
    repository.commit("first")
    assert image(repository) is None


def test_a_repository_without_commits_has_no_baseline(repository: Repository) -> None:
    assert image(repository) is None


def test_a_commit_without_a_contract_is_no_baseline(repository: Repository) -> None:
    repository.commit("first")
    repository.git("rm", "-q", "-r", "--cached", "python")
    repository.git("commit", "-q", "-m", "removed")
    repository.commit("second")
    assert image(repository) is None


def test_a_clone_without_a_main_of_its_own_uses_that_of_its_origin(repository: Repository, tmp_path: Path) -> None:
    repository.commit("first")
    repository.git("switch", "-q", "-c", "branch")
    repository.commit("second")
    clone = tmp_path / "clone"
    repository.git("clone", "-q", "--branch", "branch", str(repository.root), str(clone))
    found = baseline.find(clone)
    assert found is not None
    assert found.image == b"first"
