"""Lists the configurations that a session can resolve."""

from __future__ import annotations

import itertools
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
_MOST_CHARACTERS = 300


def list_configs(config_types: Sequence[str], search_paths: Sequence[Path], folders: Folders) -> tuple[ConfigFile, ...]:
    """Every readable file of the given groups by the name under which it resolves, sorted; of one name, the first."""
    found: dict[tuple[str, str], ConfigFile] = {}
    for config_type, search_path, group in _groups(config_types, search_paths):
        for place in _files(group):
            name = f"{config_type}/{place.relative_to(group).with_suffix('').as_posix()}"
            if len(found) >= _MOST_FILES or (config_type, name) in found or not _usable(name):
                continue
            description = _description(folders, place)
            if description is not None:
                found[config_type, name] = ConfigFile(
                    config_type=config_type, name=name, description=description, search_path=str(search_path)
                )
    return tuple(sorted(found.values(), key=lambda file: (file.name, file.config_type)))


def _groups(config_types: Sequence[str], search_paths: Sequence[Path]) -> Iterator[tuple[str, Path, Path]]:
    """Config type, search path and folder of each group; a search path that is called like a group holds it."""
    for config_type in config_types:
        for path in search_paths:
            yield config_type, path, path / config_type
            if path.name == config_type:
                yield config_type, path, path


def _files(group: Path) -> Iterator[Path]:
    for folder, inner, names in os.walk(group):
        inner[:] = sorted(name for name in inner if not name.startswith("."))
        yield from (Path(folder, name) for name in sorted(names) if name.endswith(SUFFIX))


def _usable(name: str) -> bool:
    """True for a name that a request may hold."""
    try:
        ClientPath.parse(name)
    except Failure:
        return False
    return True


def _description(folders: Folders, place: Path) -> str | None:
    """The description in a pipeline's metadata, else the comment at the head of the file; None if it cannot be read."""
    try:
        content = folders.read(place)
        metadata = read_document(content, interpolation=True).get("metadata")
    except Failure:
        return None
    if isinstance(metadata, dict) and isinstance(metadata.get("description"), str):
        return str(metadata["description"])
    comments = itertools.takewhile(lambda line: line.startswith("#"), content.decode("utf-8-sig").splitlines())
    texts = (line.strip("# ") for line in comments if "@package" not in line)
    return " ".join(filter(None, texts))[:_MOST_CHARACTERS]
