"""Environments of the tools that we compare with: each has its own, outside ours, made on first use."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.peers.loop import Job, Outcome

if TYPE_CHECKING:
    from collections.abc import Sequence

REPOSITORY = Path(__file__).resolve().parents[2]
ENVIRONMENTS = REPOSITORY / ".bench" / "peers"
INSTALL_SECONDS = 900
RUN_SECONDS = 600


class NotRun(RuntimeError):
    """A tool could not be installed or did not do its jobs; the message has the end of what it said."""


@dataclasses.dataclass(frozen=True, slots=True)
class Peer:
    """A tool and how it is run.

    Attributes:
        title: for people.
        program: module of `benchmarks.peers`.
        environment: name of its list of pinned packages; empty for our own environment.
        target: address of its server, or another word that the program knows.
    """

    title: str
    program: str
    environment: str = ""
    target: str = "-"

    def run(self, tiles: Path, folder: Path, jobs: Sequence[Job]) -> list[Outcome]:
        """Do jobs in a process of its own.

        Raises:
            NotRun: if it fails.
        """
        arguments = ["-m", f"benchmarks.peers.{self.program}", str(tiles), str(folder), self.target, *map(str, jobs)]
        lines = _run([str(python(self.environment)), *arguments], RUN_SECONDS).splitlines()
        return [Outcome(**json.loads(line)) for line in lines if line.startswith("{")]


def python(environment: str, *, borrowing: bool = False) -> Path:
    """The interpreter of an environment, which is made if its list of packages is new.

    Args:
        environment: name of its list; empty for our own environment.
        borrowing: let it find in ours what it lacks itself: torch is large, and needs not be there twice.

    Raises:
        NotRun: if it cannot be installed.
    """
    if not environment:
        return Path(sys.executable)
    packages = (Path(__file__).parent / f"{environment}.txt").read_text()
    folder = ENVIRONMENTS / environment
    stamp, interpreter = folder / "installed.txt", folder / "bin" / "python"
    if not stamp.exists() or stamp.read_text() != packages:
        print(f"installing {environment} into {folder.relative_to(REPOSITORY)} (once)", flush=True)
        listed = str(Path(__file__).parent / f"{environment}.txt")
        _run([sys.executable, "-m", "venv", "--clear", str(folder)], INSTALL_SECONDS)
        _run([str(interpreter), "-m", "pip", "install", "-q", "--no-deps", "-r", listed], INSTALL_SECONDS)
        if borrowing:
            own, ours = _packages_of(interpreter), sysconfig.get_path("purelib")
            (own / "borrowed.pth").write_text(f"{ours}\n")  # behind its own on the path: theirs win
        stamp.write_text(packages)
    return interpreter


def _packages_of(interpreter: Path) -> Path:
    return Path(_run([str(interpreter), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"], 60).strip())


def _run(command: Sequence[str], seconds: float) -> str:
    try:
        ran = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=seconds, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NotRun(str(error)) from error
    if ran.returncode:
        raise NotRun("\n".join(ran.stderr.splitlines()[-3:]))
    return ran.stdout
