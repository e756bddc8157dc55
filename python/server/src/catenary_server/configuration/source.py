"""The configurations of a server: files below the operator's roots and what clients send."""

from __future__ import annotations

import asyncio
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, cast

from catenary_server.configuration.catalogue import list_configs
from catenary_server.configuration.checks import doubts, faults
from catenary_server.configuration.child import COMPOSITION_LIMITS, ChildLimits, compose_in_child
from catenary_server.configuration.documents import read_document
from catenary_server.configuration.folders import Folders
from catenary_server.configuration.forms import canonical_json, readable_yaml
from catenary_server.configuration.limits import MAX_OVERRIDES, too_complex
from catenary_server.configuration.normal import normalise
from catenary_server.configuration.pipeline_files import find_pipeline, list_pipelines
from catenary_server.configuration.request import CompositionRequest
from catenary_server.configuration.schemas import as_json, build, check_type, invalid, schema
from catenary_server.configuration.training_means import training_means
from catenary_server.domain.client_path import ClientPath
from catenary_server.domain.config_source import CONFIG_TYPES, ConfigFile, ConfigReport, ResolvedConfig
from catenary_server.domain.failure import Failure, Violation

if TYPE_CHECKING:
    from collections.abc import Sequence

    from catenary_server.configuration.schemas import Config
    from catenary_server.domain.config_source import TrainingMeans
    from catenary_server.domain.pipeline import PipelineConfig, PipelineFile
    from catenary_server.domain.training import DataConfig, TrainingConfig, TrainRunConfig


class HydraConfigSource:
    """A `ConfigSource` that composes YAML files with Hydra.

    Args:
        roots: the operator's configs roots: what clients may register as search paths, and may name absolutely.
        limits: what one composition may take.
        parallel: compositions that may run at the same time; others wait, and hold up nothing else.
    """

    def __init__(self, roots: Sequence[Path], *, limits: ChildLimits | None = None, parallel: int = 4) -> None:
        self._written = tuple(root.absolute() for root in roots)
        self._roots = tuple(root.resolve() for root in roots)
        self._limits = limits or COMPOSITION_LIMITS
        self._slots = ThreadPoolExecutor(parallel, thread_name_prefix="config")

    def default_search_paths(self) -> tuple[Path, ...]:
        """See `ConfigSource.default_search_paths`."""
        return self._roots

    def split_search_paths(self, paths: Sequence[str]) -> tuple[tuple[Path, ...], tuple[str, ...]]:
        """See `ConfigSource.split_search_paths`. A relative path is rejected: the server has no such folder."""
        accepted: dict[Path, None] = {}
        rejected: list[str] = []
        for path in paths:
            place = self._search_path(path)
            if place is None:
                rejected.append(path)
            else:
                accepted[place] = None
        return tuple(accepted), tuple(rejected)

    async def resolve(
        self, config_type: str, path: str, overrides: Sequence[str], search_paths: Sequence[Path]
    ) -> ResolvedConfig:
        """See `ConfigSource.resolve`.

        `search_paths` are trusted: those that `split_search_paths` accepted, and after them the caller's file area,
        where a pipeline that was just saved resolves by its name.
        """
        check_type(config_type)
        ClientPath.parse(path.removeprefix(f"{config_type}/"))
        if len(overrides) > MAX_OVERRIDES:
            raise too_complex("overrides", f"more than {MAX_OVERRIDES}")
        request = CompositionRequest(
            config_type=config_type,
            path=path,
            overrides=tuple(overrides),
            search_paths=tuple(search_paths),
            roots=tuple(dict.fromkeys((*self._roots, *self._written))),
        )
        return await asyncio.get_running_loop().run_in_executor(self._slots, self._resolve, request)

    async def list(self, config_type: str, search_paths: Sequence[Path]) -> tuple[ConfigFile, ...]:
        """See `ConfigSource.list`."""
        config_types = (config_type,) if config_type else CONFIG_TYPES
        check_type(config_types[0])
        folders = Folders(search_paths, self._roots)
        return await asyncio.to_thread(list_configs, config_types, search_paths, folders)

    async def list_pipelines(self, own: Path) -> tuple[PipelineFile, ...]:
        """See `ConfigSource.list_pipelines`."""
        return await asyncio.to_thread(list_pipelines, self._roots, own)

    async def find_pipeline(self, path: str, own: Path) -> PipelineFile:
        """See `ConfigSource.find_pipeline`."""
        return await asyncio.to_thread(find_pipeline, path, self._roots, own)

    def training_means(self) -> TrainingMeans:
        """See `ConfigSource.training_means`."""
        return training_means()

    def schema(self, config_type: str) -> str:
        """See `ConfigSource.schema`."""
        return as_json(schema(config_type))

    def validate(self, config_type: str, content: bytes) -> ConfigReport:
        """See `ConfigSource.validate`."""
        try:
            config = _read(config_type, content)
        except Failure as failure:
            return ConfigReport(errors=failure.violations or (Violation("config_type", failure.message),), warnings=())
        return ConfigReport(errors=(), warnings=tuple(doubts(config)))

    def read_pipeline(self, content: bytes) -> PipelineConfig:
        """See `ConfigSource.read_pipeline`."""
        return cast("PipelineConfig", _read("pipeline", content))

    def read_trainrun(self, content: bytes) -> TrainRunConfig:
        """See `ConfigSource.read_trainrun`."""
        return cast("TrainRunConfig", _read("trainrun", content))

    def read_data(self, content: bytes) -> DataConfig:
        """See `ConfigSource.read_data`."""
        return cast("DataConfig", _read("data", content))

    def read_training(self, content: bytes) -> TrainingConfig:
        """See `ConfigSource.read_training`."""
        return cast("TrainingConfig", _read("training", content))

    def write(self, config: PipelineConfig | TrainRunConfig) -> bytes:
        """See `ConfigSource.write`."""
        return readable_yaml(config)

    def canonical(self, config: PipelineConfig | TrainRunConfig | DataConfig) -> bytes:
        """See `ConfigSource.canonical`."""
        return canonical_json(config)

    def _search_path(self, path: str) -> Path | None:
        try:
            parsed = ClientPath.parse(path)
        except Failure:
            return None
        if not parsed.absolute:
            return None
        place = Path("/", *parsed.parts)
        if not any(place.is_relative_to(root) for root in (*self._written, *self._roots)):
            return None
        real = place.resolve()
        return real if real.is_dir() and any(real.is_relative_to(root) for root in self._roots) else None

    def _resolve(self, request: CompositionRequest) -> ResolvedConfig:
        content, files = compose_in_child(request, self._limits)
        config = _checked(request.config_type, json.loads(content))
        return ResolvedConfig(content=canonical_json(config), files=files)


def _read(config_type: str, content: bytes) -> Config:
    check_type(config_type)
    data = normalise(config_type, read_document(content, interpolation=False, may_be_empty=False))
    if "defaults" in data:
        raise invalid([Violation("defaults", "is for files that are composed: send what ResolveConfig returned")])
    return _checked(config_type, data)


def _checked(config_type: str, data: dict[str, object]) -> Config:
    config = build(config_type, data)
    found = tuple(faults(config))
    if found:
        raise invalid(found)
    return config
