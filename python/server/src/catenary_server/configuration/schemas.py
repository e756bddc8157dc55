"""The schemas of the config types: the domain's dataclasses, read by pydantic."""

from __future__ import annotations

import functools
import json
from typing import TYPE_CHECKING, Any, cast

from pydantic import TypeAdapter, ValidationError

from catenary_server.domain.config_source import CONFIG_TYPES
from catenary_server.domain.failure import Failure, Reason, Resource, Violation
from catenary_server.domain.pipeline import PipelineConfig
from catenary_server.domain.training import (
    CallbacksConfig,
    DataConfig,
    OptimizerConfig,
    SchedulerConfig,
    TrainingConfig,
    TrainRunConfig,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pydantic_core import ErrorDetails

DIALECT = "https://json-schema.org/draft/2020-12/schema"
_MOST_FAULTS = 100

Config = (
    PipelineConfig | TrainRunConfig | DataConfig | TrainingConfig | OptimizerConfig | SchedulerConfig | CallbacksConfig
)

_CLASSES: dict[str, type[Config]] = {
    "pipeline": PipelineConfig,
    "trainrun": TrainRunConfig,
    "data": DataConfig,
    "training": TrainingConfig,
    "optimizer": OptimizerConfig,
    "scheduler": SchedulerConfig,
    "callbacks": CallbacksConfig,
}

_ADAPTERS: dict[type[Config], TypeAdapter[Any]] = {
    config_class: TypeAdapter(config_class) for config_class in _CLASSES.values()
}


def build(config_type: str, data: dict[str, Any]) -> Config:
    """The dataclass that plain data stands for.

    Raises:
        Failure: CONFIG_INVALID with a violation per fault, each with its key path; CONFIG_NOT_FOUND for a type that
            does not exist.
    """
    adapter = adapter_of(_class_of(config_type))
    try:
        return cast("Config", adapter.validate_python(data))
    except ValidationError as error:
        details = error.errors(include_url=False, include_context=False, include_input=False)
        faulty = {detail["loc"][:depth] for detail in details for depth in range(len(detail["loc"]))}
        own = [
            detail for detail in details if detail["loc"] not in faulty
        ]  # entries with faults of their own are there
        raise invalid(_violation(config_type, detail) for detail in own[:_MOST_FAULTS]) from error


def invalid(violations: Iterable[Violation]) -> Failure:
    """CONFIG_INVALID with every fault."""
    faults = tuple(violations)
    message = f"the configuration is not valid: {faults[0].subject}: {faults[0].description}"
    return Failure(Reason.CONFIG_INVALID, message, violations=faults)


@functools.cache
def schema(config_type: str) -> dict[str, Any]:
    """JSON Schema 2020-12 of a config type. Raises CONFIG_NOT_FOUND for a type that does not exist."""
    return {"$schema": DIALECT, **adapter_of(_class_of(config_type)).json_schema()}


def adapter_of(config_class: type[Config]) -> TypeAdapter[Any]:
    """Reads and writes instances of one dataclass."""
    return _ADAPTERS[config_class]


def check_type(config_type: str) -> None:
    """Raise CONFIG_NOT_FOUND for a type that does not exist."""
    _class_of(config_type)


def _class_of(config_type: str) -> type[Config]:
    if config_type not in _CLASSES:
        raise Failure(
            Reason.CONFIG_NOT_FOUND,
            f"no config type {config_type[:64]!r}; there are {', '.join(CONFIG_TYPES)}",
            resource=Resource("config_type", config_type[:64]),
        )
    return _CLASSES[config_type]


def _violation(config_type: str, detail: ErrorDetails) -> Violation:
    location = detail["loc"]
    path = ".".join(str(part) for part in location)
    if detail["type"] == "unexpected_keyword_argument":
        known = ", ".join(_known_keys(schema(config_type), location[:-1]))
        return Violation(path, f"unknown key; known: {known}")
    if detail["type"] in {"dataclass_type", "dataclass_exact_type"}:
        return Violation(path, "must be a mapping of keys to values")
    return Violation(path, detail["msg"])


def _known_keys(root: dict[str, Any], location: tuple[int | str, ...]) -> list[str]:
    """Keys of the mapping at a place of a schema."""
    node = _follow(root, root)
    for part in location:
        inner = node.get("items", {}) if isinstance(part, int) else node.get("properties", {}).get(part, {})
        node = _follow(root, inner)
    return sorted(node.get("properties", {}))


def _follow(root: dict[str, Any], node: dict[str, Any]) -> dict[str, Any]:
    """The schema behind references and behind `or null`."""
    for choice in node.get("anyOf", ()):
        if choice.get("type") != "null":
            node = choice
    reference = node.get("$ref", "")
    found = root["$defs"][reference.rpartition("/")[2]] if reference else node
    return dict(found)


def as_json(content: object) -> str:
    """Readable JSON text of a schema."""
    return json.dumps(content, ensure_ascii=False, indent=2)
