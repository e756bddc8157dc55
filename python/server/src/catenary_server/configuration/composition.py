"""Composes a configuration with Hydra. Runs in a child process with little time and memory; nothing else imports Hydra.

Hydra reads files only through `_SessionSource`, so that every file is found, checked and recorded by our own rules, and
it composes only the defaults lists and the choices of groups. Overrides of values are applied to the composed data
afterwards: Hydra cannot address an entry of a list by its name, and refuses keys that the files leave at their default.
"""

from __future__ import annotations

import dataclasses
import json
import re
from typing import TYPE_CHECKING, Any, ClassVar

from hydra import compose, initialize_config_module
from hydra.core.object_type import ObjectType
from hydra.core.plugins import Plugins
from hydra.errors import HydraException, MissingConfigException
from hydra.plugins.config_source import ConfigResult, ConfigSource
from hydra.plugins.search_path_plugin import SearchPathPlugin
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from catenary_server.configuration.constructs import check_constructs, resolver_forbidden
from catenary_server.configuration.documents import read_document
from catenary_server.configuration.edits import apply_edit
from catenary_server.configuration.folders import SUFFIX, Folders, PrimaryConfig, not_found
from catenary_server.configuration.limits import MAX_BYTES, too_complex
from catenary_server.configuration.normal import normalise
from catenary_server.configuration.overrides import read_override
from catenary_server.domain.config_source import SourceFile
from catenary_server.domain.failure import Failure, Reason, Violation

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from hydra.core.config_search_path import ConfigSearchPath

    from catenary_server.configuration.request import CompositionRequest

_PACKAGE = re.compile(r"#\s*@package\s+(\S+)\s*")


@dataclasses.dataclass(slots=True)
class _Files:
    """What one composition may read, and has read."""

    folders: Folders
    primary: PrimaryConfig
    used: dict[Path, None] = dataclasses.field(default_factory=dict)

    def place(self, name: str) -> Path | None:
        return self.primary.place if name == self.primary.name else self.folders.find(name)


class _SessionSource(ConfigSource):
    """The search paths of the request, to Hydra."""

    files: ClassVar[_Files]

    @staticmethod
    def scheme() -> str:
        return "catenary"

    def load_config(self, config_path: str) -> ConfigResult:
        name = config_path.removesuffix(SUFFIX)
        place = self.files.place(name)
        if place is None:
            raise not_found(name, ())
        content = self.files.folders.read(place)
        self.files.used[place] = None
        primary = name == self.files.primary.name
        header = {"package": "_global_" if primary else _package(content)}
        data = read_document(content, interpolation=True)
        _check_defaults(data.get("defaults"))
        return ConfigResult(
            config=OmegaConf.create(data),
            path=f"{self.scheme()}://session",
            provider=self.provider,
            header=header,
        )

    def available(self) -> bool:
        return True

    def is_group(self, config_path: str) -> bool:
        return self.files.folders.is_group(config_path)

    def is_config(self, config_path: str) -> bool:
        return bool(config_path) and self.files.place(config_path.removesuffix(SUFFIX)) is not None

    def list(self, config_path: str, results_filter: ObjectType | None) -> list[str]:
        return [] if results_filter is ObjectType.GROUP else list(self.files.folders.options(config_path))


class _SessionSearchPath(SearchPathPlugin):
    """Replaces the folder that Hydra was started with by the session's search paths; Hydra's own defaults stay."""

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        elements = search_path.get_path()
        elements[:] = [element for element in elements if element.provider != "main"]
        search_path.prepend("session", "catenary://session")


for _plugin in (_SessionSource, _SessionSearchPath):
    Plugins.instance().register(_plugin)


def compose_config(request: CompositionRequest) -> tuple[str, tuple[SourceFile, ...]]:
    """Compose a configuration.

    Returns:
        The composed data as JSON, not yet checked against a schema, and the files that took part.

    Raises:
        Failure: as `ConfigSource.resolve`, all but faults of the schema.
    """
    folders = Folders(request.search_paths, request.roots)
    files = _Files(folders, folders.primary(request.config_type, request.path))
    choices, edits = [], []
    for text in request.overrides:
        override = read_override(text)
        if override.chooses_group(folders):
            choices.append(text)
        else:
            edits.append(override.edit())
    data = normalise(request.config_type, _compose(files, choices))
    for edit in edits:
        apply_edit(data, edit)
    resolved = _resolve(data)
    content = json.dumps(resolved, ensure_ascii=False, allow_nan=False)
    if len(content) > MAX_BYTES:
        raise too_complex(request.path, f"more than {MAX_BYTES} characters once composed")
    return content, tuple(SourceFile(folders.label(place), folders.search_path(place)) for place in files.used)


def _compose(files: _Files, choices: Sequence[str]) -> dict[str, Any]:
    """The data that the defaults lists and group choices give, references not resolved."""
    _SessionSource.files = files
    try:
        with initialize_config_module("catenary_server.configuration", version_base="1.3"):
            config = compose(config_name=files.primary.name, overrides=list(choices))
    except MissingConfigException as error:
        raise not_found(error.missing_cfg_file or files.primary.name, error.options or ()) from error
    except (HydraException, OmegaConfBaseException, ValueError) as error:
        raise _not_composed(files.folders.label(files.primary.place), error) from error
    data = OmegaConf.to_container(config, resolve=False)
    if not isinstance(data, dict):
        raise _not_composed(files.folders.label(files.primary.place), TypeError("the result is no mapping"))
    return {str(key): value for key, value in data.items()}


def _resolve(data: dict[str, Any]) -> dict[str, Any]:
    """The data with its references replaced by what they refer to."""
    try:
        resolved = OmegaConf.to_container(OmegaConf.create(data), resolve=True, throw_on_missing=True)
    except OmegaConfBaseException as error:
        path = re.sub(r"\[(\d+)\]", r".\1", error.full_key or "")
        raise Failure(
            Reason.CONFIG_INVALID,
            f"the configuration is not valid: {path}: {_first_line(error)}",
            violations=(Violation(path, _first_line(error)),),
        ) from error
    check_constructs(resolved, interpolation=False)
    return {str(key): value for key, value in resolved.items()} if isinstance(resolved, dict) else {}


def _check_defaults(defaults: object) -> None:
    """Refuse entries that choose among Hydra's own settings."""
    for entry in defaults if isinstance(defaults, list) else ():
        for name in entry if isinstance(entry, dict) else (entry,):
            if str(name).rpartition(" ")[2].strip("/").partition("/")[0] == "hydra":
                raise resolver_forbidden("defaults", "Hydra's own settings are the operator's")


def _package(content: bytes) -> str | None:
    """The package that the comments at the head of a file name, if they name one."""
    for line in content.decode("utf-8-sig", "replace").splitlines():
        if line.strip() and not line.lstrip().startswith("#"):
            return None
        if found := _PACKAGE.fullmatch(line.strip()):
            if found[1].partition(".")[0] == "hydra":
                raise resolver_forbidden("@package", "Hydra's own settings are the operator's")
            return found[1]
    return None


def _not_composed(label: str, error: Exception) -> Failure:
    return Failure(
        Reason.CONFIG_INVALID,
        f"{label!r} cannot be composed: {_first_line(error)}",
        violations=(Violation("defaults", _first_line(error)),),
    )


def _first_line(error: Exception) -> str:
    return " ".join(str(error).partition("Config search path:")[0].partition("full_key:")[0].split())[:300]
