"""The two written forms of a configuration: canonical JSON for machines, YAML for people."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING, Any

from catenary_server.configuration.dialect import dump
from catenary_server.configuration.schemas import adapter_of

if TYPE_CHECKING:
    from catenary_server.configuration.schemas import Config


def canonical_json(config: Config) -> bytes:
    """One configuration, one sequence of bytes: every key, sorted; UTF-8; numbers as Python's shortest round trip."""
    text = json.dumps(_plain(config), sort_keys=True, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.encode()


def readable_yaml(config: Config) -> bytes:
    """Keys in the order of the dataclass; empty values that are the default anyway are left out."""
    return dump(_without_empty_defaults(config, _plain(config))).encode()


def _plain(config: Config) -> dict[str, Any]:
    data: dict[str, Any] = adapter_of(type(config)).dump_python(config, mode="json")
    return data


def _without_empty_defaults(config: Any, data: dict[str, Any]) -> dict[str, Any]:  # noqa: ANN401 - any dataclass
    kept: dict[str, Any] = {}
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        if dataclasses.is_dataclass(value):
            inner = _without_empty_defaults(value, data[field.name])
            if inner or _default(field) != value:
                kept[field.name] = inner
        elif isinstance(value, tuple) and value and all(dataclasses.is_dataclass(entry) for entry in value):
            entries = zip(value, data[field.name], strict=True)
            kept[field.name] = [_without_empty_defaults(entry, plain) for entry, plain in entries]
        elif not (_is_empty(value) and value == _default(field)):
            kept[field.name] = data[field.name]
    return kept


def _is_empty(value: object) -> bool:
    return value is None or (isinstance(value, str | tuple | list | dict) and not value)


def _default(field: dataclasses.Field[Any]) -> object:
    return field.default_factory() if field.default_factory is not dataclasses.MISSING else field.default
