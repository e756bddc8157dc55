"""Lists the configurations that a session can resolve."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from catenary_server.configuration.documents import read_document
from catenary_server.configuration.folders import SUFFIX, Folders
from catenary_server.domain.client_path import ClientPath
from catenary_server.domain.config_source import ConfigFile
from catenary_server.domain.failure import Failure

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_MOST_FILES = 2000


def list_configs(config_types: Sequence[str], search_paths: Sequence[Path], folders: Folders) -> tuple[ConfigFile, ...]:
    """Every file of the given groups by the name under which it resolves, sorted; of files of one name, the first."""
    found: dict[tuple[str, str], ConfigFile] = {}
    for config_type in config_types:
        for group in _group_folders(config_type, search_paths):
            for place in _files(group):
                name = f"{config_type}/{place.relative_to(group).with_suffix('').as_posix()}"
                if len(found) < _MOST_FILES and (config_type, name) not in found:
                    found[config_type, name] = ConfigFile(
                        config_type=config_type, name=name, description=_description(folders, place)
                    )
    return tuple(sorted(found.values(), key=lambda file: (file.name, file.config_type)))


def _group_folders(config_type: str, search_paths: Sequence[Path]) -> Iterator[Path]:
    for path in search_paths:
        yield path / config_type
        if path.name == config_type:
            yield path


def _files(group: Path) -> Iterator[Path]:
    for folder, inner, names in os.walk(group):
        inner.sort()
        yield from (Path(folder, name) for name in sorted(names) if name.endswith(SUFFIX) and _usable(name))


def _usable(name: str) -> bool:
    try:
        ClientPath.parse(name)
    except Failure:
        return False
    return True


def _description(folders: Folders, place: Path) -> str:
    """The description in a pipeline's metadata, else the first comment at the head of the file."""
    try:
        content = folders.read(place)
        metadata = read_document(content, interpolation=True).get("metadata")
    except Failure:
        return ""
    if isinstance(metadata, dict) and isinstance(metadata.get("description"), str):
        return str(metadata["description"])
    for line in content.decode("utf-8-sig").splitlines():
        if not line.startswith("#"):
            break
        if "@package" not in line and line.strip("# "):
            return line.strip("# ")
    return ""
