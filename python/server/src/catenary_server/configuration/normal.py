"""Brings what older files may hold into the one form that the schemas know."""

from __future__ import annotations

from typing import Any

from catenary_server.configuration.cuvis_files import translate
from catenary_server.domain.failure import Failure, Reason, Violation

OWN_PLUGIN = "cuvis_ai_builtin"
"""What files of CUVIS.AI systems call the nodes that need no plugin."""

_NODE_KEYS = {"hparams": "params", "class": "class_name"}
_CONNECTION_KEYS = {"from": "source", "to": "target"}


def normalise(config_type: str, data: dict[str, Any]) -> dict[str, Any]:
    """Exchange older names of keys, and the words of CUVIS.AI files; drop the `version` of the file format.

    Raises:
        Failure: CONFIG_INVALID if a key is there under both its names, or as `cuvis_files.translate`.
    """
    if config_type == "pipeline":
        return _pipeline(data, "")[0]
    if config_type != "trainrun":
        return data
    run = {key: value for key, value in data.items() if key != "version"}
    if isinstance(run.get("pipeline"), dict):
        run["pipeline"], names = _pipeline(run["pipeline"], "pipeline.")
        metrics = run.get("metric_nodes")
        if isinstance(metrics, list):
            run["metric_nodes"] = [each for name in metrics for each in names.get(str(name), (name,))]
    return run


def _pipeline(data: dict[str, Any], prefix: str) -> tuple[dict[str, Any], dict[str, tuple[str, ...]]]:
    """The pipeline, and the nodes that stand for one of its file, by its name."""
    pipeline = {key: value for key, value in data.items() if key != "version"}
    if not pipeline.get("name", "-"):
        del pipeline["name"]
    if pipeline.get("plugins") in ([], [OWN_PLUGIN]):
        del pipeline["plugins"]
    nodes, connections = pipeline.get("nodes"), pipeline.get("connections")
    if isinstance(connections, list):
        connections = pipeline["connections"] = _renamed(connections, _CONNECTION_KEYS, f"{prefix}connections")
    if not isinstance(nodes, list):
        return pipeline, {}
    translated = translate(_renamed(nodes, _NODE_KEYS, f"{prefix}nodes"), connections, prefix)
    pipeline["nodes"] = translated.nodes
    if "connections" in pipeline:
        pipeline["connections"] = translated.connections
    return pipeline, dict(translated.names)


def _renamed(entries: list[Any], names: dict[str, str], path: str) -> list[Any]:
    """Entries with the present names of their keys."""
    return [
        {names.get(key, key): value for key, value in _checked(entry, names, f"{path}.{index}").items()}
        if isinstance(entry, dict)
        else entry
        for index, entry in enumerate(entries)
    ]


def _checked(entry: dict[str, Any], names: dict[str, str], path: str) -> dict[str, Any]:
    for older, name in names.items():
        if older in entry and name in entry:
            description = f"is the older name of {name}; give one of the two"
            raise Failure(
                Reason.CONFIG_INVALID,
                f"{path}.{older} {description}",
                violations=(Violation(f"{path}.{older}", description),),
            )
    return entry
