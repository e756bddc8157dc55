"""What a training may name, read from the dataclasses of its configuration: nothing is written down twice."""

from __future__ import annotations

import functools
import json
import typing
from typing import TYPE_CHECKING, Any

from catenary_server.configuration.schemas import adapter_of
from catenary_server.domain.config_source import CallbackSpec, TrainingMeans
from catenary_server.domain.node import ParamSpec
from catenary_server.domain.training import CallbacksConfig, OnlyFor, OptimizerConfig, SchedulerConfig

if TYPE_CHECKING:
    from catenary_server.configuration.schemas import Config

NAME = "name"
"""The key that chooses an optimizer or a scheduler."""

_BOUNDS = {
    "minimum": ">= {}",
    "exclusiveMinimum": "> {}",
    "maximum": "<= {}",
    "exclusiveMaximum": "< {}",
    "minLength": "length >= {}",
    "maxLength": "length <= {}",
    "maxItems": "{} items",
}
_Schema = dict[str, Any]


@functools.cache
def training_means() -> TrainingMeans:
    """Optimizers, schedulers and callbacks with their parameters."""
    optimizer, scheduler, callbacks = (_schema(each) for each in (OptimizerConfig, SchedulerConfig, CallbacksConfig))
    return TrainingMeans(
        optimizers=tuple(optimizer["properties"][NAME]["enum"]),
        optimizer_params=_params(optimizer, optimizer, restrictions(OptimizerConfig)),
        schedulers=tuple(scheduler["properties"][NAME]["enum"]),
        scheduler_params=_params(scheduler, scheduler, restrictions(SchedulerConfig)),
        callbacks=tuple(_callback(name, entry, callbacks) for name, entry in callbacks["properties"].items()),
    )


def restrictions(config_class: type[OptimizerConfig | SchedulerConfig]) -> dict[str, tuple[str, ...]]:
    """The parameters that only some choices of `name` have, with those choices."""
    found = {}
    for name, hint in typing.get_type_hints(config_class, include_extras=True).items():
        for mark in getattr(hint, "__metadata__", ()):
            if isinstance(mark, OnlyFor):
                found[name] = mark.names
    return found


def _schema(config_class: type[Config]) -> _Schema:
    return adapter_of(config_class).json_schema()


def _callback(name: str, entry: _Schema, root: _Schema) -> CallbackSpec:
    callback = _meant(entry, root)
    return CallbackSpec(name=name, description=entry.get("description", ""), params=_params(callback, root, {}))


def _params(owner: _Schema, root: _Schema, only_for: dict[str, tuple[str, ...]]) -> tuple[ParamSpec, ...]:
    required = owner.get("required", ())
    return tuple(
        _param(name, entry, root, required=name in required, only_for=only_for.get(name, ()))
        for name, entry in owner.get("properties", {}).items()
        if owner is not root or name != NAME
    )


def _param(name: str, entry: _Schema, root: _Schema, *, required: bool, only_for: tuple[str, ...]) -> ParamSpec:
    schema = _meant(entry, root)
    rules = [text.format(schema[key]) for key, text in _BOUNDS.items() if key in schema]
    if "enum" in schema:
        rules.append(f"one of: {', '.join(map(str, schema['enum']))}")
    if only_for:
        rules.append(f"only for {', '.join(only_for)}")
    return ParamSpec(
        name=name,
        type=schema.get("type", "object"),
        required=required,
        default="" if required else json.dumps(entry.get("default")),
        description=entry.get("description", ""),
        validation="; ".join(rules),
    )


def _meant(entry: _Schema, root: _Schema) -> _Schema:
    """The schema behind a reference and behind `or null`."""
    meant = next((choice for choice in entry.get("anyOf", ()) if choice.get("type") != "null"), entry)
    reference = meant.get("$ref", "")
    return dict(root["$defs"][reference.rpartition("/")[2]]) if reference else dict(meant)
