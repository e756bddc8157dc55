"""Brings what older files may hold into the one form that the schemas know."""

from __future__ import annotations

from typing import Any

from catenary_server.domain.failure import Failure, Reason, Violation


def normalise(config_type: str, data: dict[str, Any]) -> dict[str, Any]:
    """Rename `hparams` of nodes to `params` and drop the `version` of the file format.

    Raises:
        Failure: CONFIG_INVALID if a node has both `hparams` and `params`.
    """
    if config_type == "pipeline":
        return _pipeline(data, "")
    if config_type != "trainrun":
        return data
    run = {key: value for key, value in data.items() if key != "version"}
    if isinstance(run.get("pipeline"), dict):
        run["pipeline"] = _pipeline(run["pipeline"], "pipeline.")
    return run


def _pipeline(data: dict[str, Any], prefix: str) -> dict[str, Any]:
    pipeline = {key: value for key, value in data.items() if key != "version"}
    nodes = pipeline.get("nodes")
    if isinstance(nodes, list):
        pipeline["nodes"] = [_node(node, f"{prefix}nodes.{index}") for index, node in enumerate(nodes)]
    return pipeline


def _node(node: object, path: str) -> object:
    if not isinstance(node, dict) or "hparams" not in node:
        return node
    if "params" in node:
        description = "is the older name of params; give one of the two"
        raise Failure(
            Reason.CONFIG_INVALID,
            f"{path}.hparams {description}",
            violations=(Violation(f"{path}.hparams", description),),
        )
    return {"params" if key == "hparams" else key: value for key, value in node.items()}
