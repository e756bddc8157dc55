"""Plugins."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from catenary.v1 import plugin_pb2
from catenary_server.domain.failure import Failure, Reason, Violation
from catenary_server.domain.plugin import PluginManifest

if TYPE_CHECKING:
    from catenary_server.domain.plugin import Plugin

ENTRY_POINT = "entry_point"
"""How every plugin came to the server."""

MAX_NAME_LENGTH = 256

_KEYS = {"name", "version"}
_PLACES = {"git", "repo", "repository", "url", "path", "tag", "branch", "source", "plugins"}
"""Keys of manifests of other systems, which say where to install from."""


def decode_manifest(message: plugin_pb2.PluginManifest) -> PluginManifest:
    """Which plugin a session wants.

    Raises:
        Failure: CONFIG_INVALID if it is no JSON object with a `name`, or names a place to install from.
    """
    values = _object(message.config_bytes)
    faults = tuple(_faults(values))
    if faults:
        raise Failure(Reason.CONFIG_INVALID, f"plugin manifest: {faults[0].description}", violations=faults)
    return PluginManifest(name=str(values["name"]), version=str(values.get("version", "")))


def encode_plugin(plugin: Plugin) -> plugin_pb2.PluginInfo:
    """A plugin that a session has loaded."""
    return plugin_pb2.PluginInfo(
        name=plugin.name,
        type=ENTRY_POINT,
        source=plugin.installed.distribution,
        tag=plugin.installed.version,
        capabilities=sorted(plugin.nodes),
    )


def _object(content: bytes) -> dict[str, object]:
    try:
        values = json.loads(content.decode(), object_pairs_hook=_distinct)
    except (ValueError, RecursionError):
        values = None
    if not isinstance(values, dict):
        fault = Violation("manifest", "must be a JSON object in UTF-8 with a `name`, each key once")
        raise Failure(Reason.CONFIG_INVALID, f"plugin manifest: {fault.description}", violations=(fault,))
    return values


def _distinct(pairs: list[tuple[str, object]]) -> dict[str, object]:
    values = dict(pairs)
    if len(values) < len(pairs):
        raise ValueError("a key occurs twice")
    return values


def _faults(values: dict[str, object]) -> list[Violation]:
    faults = [Violation(key[:MAX_NAME_LENGTH], _unknown(key)) for key in sorted(values.keys() - _KEYS)]
    name, version = values.get("name"), values.get("version", "")
    if not faults and not (isinstance(name, str) and 0 < len(name) <= MAX_NAME_LENGTH):
        faults.append(Violation("name", f"`name` must be a string of 1 to {MAX_NAME_LENGTH} characters"))
    if not isinstance(version, str):
        faults.append(Violation("version", "`version` must be a string, a PEP 440 specifier such as >=1.2,<2"))
    return faults


def _unknown(key: str) -> str:
    if key.lower() in _PLACES:
        return (
            f"`{key}` is not taken: plugins are never installed from a place that a client names; "
            "the operator installs them, and `name` asks for one"
        )
    return f"there is no key `{key[:64]}`; a manifest has `name` and, if wanted, `version`"
