"""The server that a run starts for itself: `catenary serve`, with principals for each lane and a plugin to load."""

from __future__ import annotations

import contextlib
import dataclasses
import shutil
import tempfile
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

from catenary_conformance.faulty.good_server import GoodServer, Principals, good_server

if TYPE_CHECKING:
    from collections.abc import Iterator

CONFIGS = Path("configs")
"""Configurations that the server composes, in a checkout."""
PLUGIN = Path("examples", "plugin_ndvi")
"""Sources of a plugin, in a checkout."""
_LARGEST_MESSAGE = 16
"""MiB of inference; a message beyond it is soon made, and soon refused."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class OwnServer:
    """A running server.

    Attributes:
        address: `host:port`.
        near: `unix:PATH` of the same server.
        principals: for each lane.
        plugin: name of a plugin that sessions may load; empty if there is none.
    """

    address: str
    near: str
    principals: tuple[Principals, ...]
    plugin: str


@contextlib.contextmanager
def own_server(lanes: int) -> Iterator[OwnServer]:
    """Run a server as long as the block lasts; needs a folder `./configs`.

    Args:
        lanes: how many pairs of principals it knows.

    Raises:
        ServerNotStarted: it ended before it answered.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        plugins, plugin = folder / "plugins", ""
        if PLUGIN.is_dir():
            plugin = install(PLUGIN, plugins)
        found = good_server(
            folder,
            configs=CONFIGS.resolve(),
            plugins=plugins if plugin else None,
            others=max(lanes - 1, 0),
            arguments=("--max-message-size", str(_LARGEST_MESSAGE)),
        )
        with found as server:
            yield OwnServer(
                address=server.address, near=server.socket, principals=_principals(server)[:lanes], plugin=plugin
            )


def install(source: Path, folder: Path) -> str:
    """Lay a plugin of pure Python out as an installer does, without one; returns the plugin's name.

    Args:
        source: its project, with `pyproject.toml` and packages under `src`.
        folder: for the path of Python.
    """
    project = tomllib.loads((source / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    shutil.copytree(source / "src", folder, ignore=shutil.ignore_patterns("__pycache__"))
    distribution = f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
    metadata = {
        "Metadata-Version": "2.1",
        "Name": project["name"],
        "Version": project["version"],
        "Summary": project["description"],
    }
    lines = []
    for group, points in project["entry-points"].items():
        lines += [f"[{group}]", *(f"{name} = {value}" for name, value in points.items())]
    (folder / distribution).mkdir()
    (folder / distribution / "METADATA").write_text(
        "".join(f"{key}: {value}\n" for key, value in metadata.items()), encoding="utf-8"
    )
    (folder / distribution / "entry_points.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return str(next(name for points in project["entry-points"].values() for name in points))


def _principals(server: GoodServer) -> tuple[Principals, ...]:
    return (Principals(token=server.alice, second=server.bob, low=server.low), *server.others)
