"""A server that may load the example plugin, which an installer put into a folder of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from catenary_client.local import local_server

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

REPOSITORY = Path(__file__).resolve().parents[2]

SITE = '''\
"""Notes every connection that this process or a child of it opens to a network, and every name that it looks up."""
import os, sys

def note(event, arguments):
    if event == "socket.connect" and not isinstance(arguments[1], (str, bytes)) or event == "socket.getaddrinfo":
        with open({log!r}, "a") as log:
            log.write(f"{{event}} {{arguments[-1]}}\\n")

open({log!r}, "a").close()
sys.addaudithook(note)
'''

BROKEN = {
    "broken": "raise RuntimeError('secret words')",
    "deadly": "import os; os._exit(3)",
    "unfit": "NODES = (int,)",
    "forbidden": "import pathlib; pathlib.Path({canary!r}).write_text('imported'); NODES = ()",
}


@pytest.fixture(scope="session")
def noting_connections() -> Callable[[Path], Path]:
    """Make processes with a folder on their path note connections there; gives the file they note them in."""

    def prepare(folder: Path) -> Path:
        log = folder / "connections.log"
        (folder / "sitecustomize.py").write_text(SITE.format(log=str(log)))
        return log

    return prepare


@pytest.fixture(scope="session")
def plugin_folder(noting_connections: Callable[[Path], Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the example plugin is installed, beside some that cannot be used."""
    folder = tmp_path_factory.mktemp("plugins")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
    subprocess.run([*pip, "--target", str(folder), str(REPOSITORY / "examples" / "plugin_ndvi")], check=True)
    for name, code in BROKEN.items():
        _install(folder, name, code.format(canary=str(folder / "canary")))
    noting_connections(folder)
    return folder


@pytest.fixture(scope="session")
def plugin_server(plugin_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """`host:port` of a server that allows every plugin but `forbidden`."""
    folder = tmp_path_factory.mktemp("plugin_server")
    allowed = [f"--allow-plugin={name}" for name in ("ndvi>=0.1,<1", "broken", "deadly", "unfit", "absent")]
    roots = ["--artifacts", str(folder / "artifacts"), "--configs", str(REPOSITORY / "configs")]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", os.pathsep.join([str(plugin_folder), os.environ.get("PYTHONPATH", "")]))
        # Without its dashboard, whose listening looks up the name of the address that it listens on.
        with local_server(folder / "log", [*roots, *allowed, "--no-dashboard"]) as address:
            yield address


def _install(folder: Path, name: str, code: str) -> None:
    """A distribution of one module, as an installer leaves it."""
    info = folder / f"{name}_plugin-1.0.dist-info"
    info.mkdir()
    (folder / f"{name}_plugin.py").write_text(code)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}-plugin\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[catenary.nodes]\n{name} = {name}_plugin:NODES\n")
    (info / "RECORD").write_text(f"{name}_plugin.py,,\n{info.name}/METADATA,,\n{info.name}/RECORD,,\n")
