"""Where configurations come from: YAML below the search paths, composed and checked before anything uses it."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from catenary_server.domain.failure import Violation
    from catenary_server.domain.node import ParamSpec
    from catenary_server.domain.pipeline import PipelineConfig, PipelineFile
    from catenary_server.domain.training import DataConfig, TrainingConfig, TrainRunConfig

CONFIG_TYPES = ("pipeline", "trainrun", "data", "training", "optimizer", "scheduler", "callbacks")
"""The config types of the contract."""


@dataclasses.dataclass(frozen=True, slots=True)
class SourceFile:
    """A file that took part in a configuration: its name below its root, and the search path that holds it.

    `search_path` is empty for a file of the caller's own area.
    """

    name: str
    search_path: str


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ResolvedConfig:
    """A composed configuration: canonical JSON, and the files that took part, the one asked for first."""

    content: bytes
    files: tuple[SourceFile, ...]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ConfigReport:
    """What is wrong with a configuration, each fault with its key path; no errors means valid."""

    errors: tuple[Violation, ...]
    warnings: tuple[Violation, ...]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ConfigFile:
    """A configuration that a session can resolve: `name` is what ResolveConfig takes as its path.

    `search_path` is the folder that holds it, as the session's search paths have it.
    """

    config_type: str
    name: str
    description: str
    search_path: str = ""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class CallbackSpec:
    """A callback that a training configuration may name: its key there, what it does, what it takes."""

    name: str
    description: str
    params: tuple[ParamSpec, ...]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class TrainingMeans:
    """Optimizers, schedulers and callbacks, as the configuration types have them."""

    optimizers: tuple[str, ...]
    optimizer_params: tuple[ParamSpec, ...]
    schedulers: tuple[str, ...]
    scheduler_params: tuple[ParamSpec, ...]
    callbacks: tuple[CallbackSpec, ...]


class ConfigSource(Protocol):
    """Composes, checks and reads configurations."""

    def default_search_paths(self) -> tuple[Path, ...]:
        """The operator's configs roots."""
        ...

    def split_search_paths(self, paths: Sequence[str]) -> tuple[tuple[Path, ...], tuple[str, ...]]:
        """Accepted paths (existing folders inside a configs root) and rejected ones, as they were written."""
        ...

    async def resolve(
        self, config_type: str, path: str, overrides: Sequence[str], search_paths: Sequence[Path]
    ) -> ResolvedConfig:
        """Compose a configuration and check it.

        `path` is a name below a search path (`trainrun/rx`, `rx`, `.yaml` optional) or absolute inside a root; the
        first search path that holds it wins.

        Raises:
            Failure: CONFIG_NOT_FOUND, OVERRIDE_SYNTAX, CONFIG_INVALID, CONFIG_TARGET_FORBIDDEN,
                CONFIG_RESOLVER_FORBIDDEN, CONFIG_TOO_COMPLEX, PATH_INVALID, PATH_NOT_ALLOWED.
        """
        ...

    async def list(self, config_type: str, search_paths: Sequence[Path]) -> tuple[ConfigFile, ...]:
        """What can be resolved, sorted by name; all types if `config_type` is empty."""
        ...

    async def list_pipelines(self, own: Path) -> tuple[PipelineFile, ...]:
        """The pipelines of the operator and those in a client's own folder, sorted by path.

        Of one path, the operator's counts. Files that are no pipeline are left out.
        """
        ...

    async def find_pipeline(self, path: str, own: Path) -> PipelineFile:
        """One of the pipelines of `list_pipelines`, by its path; `.yaml` and the group in front may be left out.

        Raises:
            Failure: CONFIG_NOT_FOUND, PATH_INVALID, PATH_NOT_ALLOWED, ARTIFACT_CORRUPT for a file that is no pipeline.
        """
        ...

    def training_means(self) -> TrainingMeans:
        """What a training configuration may name, with the parameters of each."""
        ...

    def schema(self, config_type: str) -> str:
        """JSON Schema 2020-12 of a config type.

        Raises:
            Failure: CONFIG_NOT_FOUND for an unknown type.
        """
        ...

    def validate(self, config_type: str, content: bytes) -> ConfigReport:
        """Every fault of a configuration in JSON; never raises for its content."""
        ...

    def read_pipeline(self, content: bytes) -> PipelineConfig:
        """The pipeline of canonical JSON or YAML bytes.

        Raises:
            Failure: CONFIG_INVALID with a violation per fault; the forbidden constructs of `resolve`.
        """
        ...

    def read_trainrun(self, content: bytes) -> TrainRunConfig:
        """The trainrun of canonical JSON or YAML bytes. Raises as `read_pipeline`."""
        ...

    def read_data(self, content: bytes) -> DataConfig:
        """The data configuration of canonical JSON bytes. Raises as `read_pipeline`."""
        ...

    def read_training(self, content: bytes) -> TrainingConfig:
        """The training configuration of canonical JSON bytes. Raises as `read_pipeline`."""
        ...

    def write(self, config: PipelineConfig | TrainRunConfig) -> bytes:
        """The configuration as YAML; a reader of this interface gives the same configuration back."""
        ...

    def canonical(self, config: PipelineConfig | TrainRunConfig | DataConfig) -> bytes:
        """The configuration as canonical JSON."""
        ...
