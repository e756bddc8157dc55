"""Finds the version of the contract that the working tree is compared with, and takes its image out of git."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

from catenary_tools.generation import IMAGE

if TYPE_CHECKING:
    from pathlib import Path

_MAIN_BRANCHES = ("main", "origin/main")


@dataclass(frozen=True)
class Baseline:
    """A committed version of the contract: what it is, for people, and its image."""

    revision: str
    image: bytes


def find(root: Path) -> Baseline | None:
    """Return what to compare the working tree at ``root`` with; None when nothing earlier has a contract.

    That is the last release, a tag ``v*``; before the first release the point where the branch left ``main``. On
    ``main`` itself it is the last commit while ``proto`` has changes, and the commit before it otherwise.
    """
    revision = _last_release(root) or _branch_point(root)
    if revision is None:
        return None
    image = _git(root, "show", f"{revision}:{IMAGE.as_posix()}")
    return None if image is None else Baseline(revision, image)


def _last_release(root: Path) -> str | None:
    return _text(_git(root, "describe", "--tags", "--abbrev=0", "--match=v*"))


def _branch_point(root: Path) -> str | None:
    head = _text(_git(root, "rev-parse", "HEAD"))
    for branch in _MAIN_BRANCHES:
        point = _text(_git(root, "merge-base", "HEAD", branch))
        if point is not None:
            return _before(root, point) if point == head else point
    return None


def _before(root: Path, head: str) -> str | None:
    if _git(root, "status", "--porcelain", "--", "proto"):
        return head
    return _text(_git(root, "rev-parse", "--verify", "--quiet", f"{head}^"))


def _text(output: bytes | None) -> str | None:
    return None if output is None else output.decode().strip()


def _git(root: Path, *arguments: str) -> bytes | None:
    # Git answers with a status when there is no such tag, branch or file, which is an answer here.
    result = subprocess.run(["git", *arguments], cwd=root, capture_output=True, check=False)
    return result.stdout if result.returncode == 0 else None
