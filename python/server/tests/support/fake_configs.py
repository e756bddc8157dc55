"""A source of configurations that knows JSON only and takes its files from a dictionary."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from catenary_server.configuration.pipeline_files import find_pipeline, list_pipelines
from catenary_server.configuration.training_means import training_means
from catenary_server.domain.config_source import CONFIG_TYPES, ConfigFile, ConfigReport, ResolvedConfig, SourceFile
from catenary_server.domain.failure import Failure, Reason, Resource, Violation
from catenary_server.domain.pipeline import Connection, NodeConfig, PipelineConfig, PipelineMetadata
from catenary_server.domain.training import DataConfig, SyntheticConfig, TrainerConfig, TrainingConfig, TrainRunConfig

if TYPE_CHECKING:
    from collections.abc import Sequence

    from catenary_server.domain.config_source import TrainingMeans
    from catenary_server.domain.pipeline import PipelineFile

PIPELINE: dict[str, Any] = {
    "metadata": {"name": "small", "description": "two nodes"},
    "nodes": [
        {"name": "scale", "class_name": "Scale", "params": {"factor": 2}},
        {"name": "detector", "class_name": "Detector", "params": {}},
    ],
    "connections": [{"source": "scale.outputs.cube", "target": "detector.inputs.cube"}],
}
TRAINRUN: dict[str, Any] = {
    "name": "small",
    "pipeline": PIPELINE,
    "data": {"source": "synthetic"},
    "training": {"seed": 1},
    "loss_nodes": ["detector"],
}
FILES: dict[str, dict[str, Any]] = {"pipeline/small": PIPELINE, "trainrun/small": TRAINRUN, "trainrun/other": TRAINRUN}


class FakeConfigs:
    """Implements `ConfigSource` over `FILES`."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def default_search_paths(self) -> tuple[Path, ...]:
        return (self.root,)

    def split_search_paths(self, paths: Sequence[str]) -> tuple[tuple[Path, ...], tuple[str, ...]]:
        inside = [path for path in paths if Path(path).is_dir() and Path(path).is_relative_to(self.root)]
        return tuple(Path(path) for path in inside), tuple(path for path in paths if path not in inside)

    async def resolve(
        self, config_type: str, path: str, overrides: Sequence[str], search_paths: Sequence[Path]
    ) -> ResolvedConfig:
        assert search_paths
        name = f"{config_type}/{path.removeprefix(config_type + '/').removesuffix('.yaml')}"
        if name not in FILES:
            raise Failure(Reason.CONFIG_NOT_FOUND, f"no {name}", resource=Resource("config", name))
        content = json.loads(json.dumps(FILES[name]))
        for override in overrides:
            key, separator, value = override.partition("=")
            if not separator:
                fault = Violation(override, "is not key=value")
                raise Failure(Reason.OVERRIDE_SYNTAX, f"{override} is not key=value", violations=(fault,))
            content[key] = value
        files = (SourceFile(f"{name}.yaml", "/configs"),)
        return ResolvedConfig(content=json.dumps(content, sort_keys=True).encode(), files=files)

    async def list(self, config_type: str, search_paths: Sequence[Path]) -> tuple[ConfigFile, ...]:
        return tuple(
            ConfigFile(config_type=group, name=f"{name}.yaml", description="", search_path=str(search_paths[0]))
            for group, _, name in (key.partition("/") for key in sorted(FILES))
            if config_type in ("", group)
        )

    async def list_pipelines(self, own: Path) -> tuple[PipelineFile, ...]:
        return list_pipelines((self.root,), own)

    async def find_pipeline(self, path: str, own: Path) -> PipelineFile:
        return find_pipeline(path, (self.root,), own)

    def training_means(self) -> TrainingMeans:
        return training_means()

    def schema(self, config_type: str) -> str:
        return json.dumps({"title": config_type})

    def validate(self, config_type: str, content: bytes) -> ConfigReport:
        if config_type not in CONFIG_TYPES:
            return ConfigReport(errors=(Violation("", f"no config type {config_type}"),), warnings=())
        try:
            self._object(content)
        except Failure as failure:
            return ConfigReport(errors=failure.violations, warnings=(Violation("name", "better short"),))
        return ConfigReport(errors=(), warnings=())

    def read_pipeline(self, content: bytes) -> PipelineConfig:
        return _pipeline(self._object(content))

    def read_trainrun(self, content: bytes) -> TrainRunConfig:
        raw = self._object(content)
        pipeline, data = raw.get("pipeline"), raw.get("data")
        return TrainRunConfig(
            name=raw["name"],
            pipeline=None if pipeline is None else _pipeline(pipeline),
            data=None if data is None else _data(data),
            training=_training(raw.get("training", {})),
            loss_nodes=tuple(raw.get("loss_nodes", ())),
            weights_path=raw.get("weights_path"),
        )

    def read_data(self, content: bytes) -> DataConfig:
        return _data(self._object(content))

    def read_training(self, content: bytes) -> TrainingConfig:
        return _training(self._object(content))

    def write(self, config: PipelineConfig | TrainRunConfig) -> bytes:
        return self.canonical(config)

    def canonical(self, config: PipelineConfig | TrainRunConfig | DataConfig) -> bytes:
        return json.dumps(dataclasses.asdict(config), sort_keys=True, default=dict).encode()

    @staticmethod
    def _object(content: bytes) -> dict[str, Any]:
        try:
            raw = json.loads(content)
        except ValueError:
            raw = None
        if not isinstance(raw, dict):
            fault = Violation("", "is no JSON object")
            raise Failure(Reason.CONFIG_INVALID, "the configuration is no JSON object", violations=(fault,))
        return raw


def _pipeline(raw: dict[str, Any]) -> PipelineConfig:
    metadata = raw.get("metadata", {})
    return PipelineConfig(
        metadata=PipelineMetadata(**metadata | {"tags": tuple(metadata.get("tags", ()))}),
        nodes=tuple(NodeConfig(**node) for node in raw["nodes"]),
        connections=tuple(Connection(**connection) for connection in raw.get("connections", ())),
    )


def _data(raw: dict[str, Any]) -> DataConfig:
    return DataConfig(**raw | {"synthetic": SyntheticConfig(**raw.get("synthetic", {}))})


def _training(raw: dict[str, Any]) -> TrainingConfig:
    return TrainingConfig(seed=raw.get("seed", 0), trainer=TrainerConfig(max_epochs=raw.get("max_epochs", 1)))
