"""Pipeline files of CUVIS.AI systems in the words of this server: node types, parameters and ports that it has.

What a parameter of theirs does to speed alone, or what is learnt from the data here, is left out; a value that would
mean something else here is refused. Node types that this server lacks keep their names, and are refused by them.
"""

from __future__ import annotations

import dataclasses
import posixpath
from typing import TYPE_CHECKING, Any

from catenary_server.domain.failure import Failure, Reason, Violation

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

PACKAGE = "cuvis_ai."
"""How the class names of these files begin."""
REPORTS = frozenset({"metrics", "artifacts"})
"""Outputs that carry what nodes of this server report by themselves."""
PICTURES = "outputs/pictures"
"""Where pictures go, which these files do not say."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class NodeWords:
    """How one of their node types is called here. `None` in place of a name: it has no counterpart and needs none."""

    types: tuple[str, ...]
    """Node types that do its work. Several get names of their own: `<type>`, or `<node>_<type>` if that is taken."""
    params: Mapping[str, str | None] = dataclasses.field(default_factory=dict)
    inputs: Mapping[str, str | None] = dataclasses.field(default_factory=dict)
    only: Mapping[str, object] = dataclasses.field(default_factory=dict)
    """Parameters that may have one value alone."""
    given: Mapping[str, object] = dataclasses.field(default_factory=dict)
    """Parameters that these files lack."""


_COMMON: dict[str, str | None] = {"name": None, "execution_stages": None}
_FITTED: dict[str, str | None] = {"num_channels": None}
_DRAWN: dict[str, str | None] = {"up_to": "max_files"}

NODES: Mapping[str, NodeWords] = {
    "LentilsAnomalyDataNode": NodeWords(types=("SceneInput",), params={"normal_class_ids": None, "wavelengths": None}),
    "BandpassByWavelength": NodeWords(types=("BandpassByWavelength",)),
    "MinMaxNormalizer": NodeWords(types=("MinMaxNormalizer",), only={"use_running_stats": True}),
    "PerPixelUnitNorm": NodeWords(types=("PixelUnitNormalizer",)),
    "ZScoreNormalizerGlobal": NodeWords(
        types=("ZScoreNormalizer",), params=_FITTED | {"sample_n": None, "seed": None, "hidden": None}
    ),
    "SoftChannelSelector": NodeWords(
        types=("SoftChannelSelector",),
        params={
            "input_channels": None,
            "temperature_init": "tau_start",
            "temperature_min": "tau_end",
            "temperature_decay": None,
            "eps": None,
        },
    ),
    "RXGlobal": NodeWords(types=("RXGlobal",), params=_FITTED | {"cache_inverse": None}),
    "LADGlobal": NodeWords(
        types=("LADGlobal",),
        params=_FITTED | {"normalize_laplacian": "normalized", "use_numpy_laplacian": None, "eps": None},
    ),
    "DeepSVDDProjection": NodeWords(
        types=("DeepSVDDProjection",),
        params={
            "in_channels": None,
            "rep_dim": "out_features",
            "hidden": None,
            "n_rff": None,
            "gamma": None,
            "mlp_forward_batch_size": None,
        },
        only={"kernel": "linear"},
    ),
    "DeepSVDDCenterTracker": NodeWords(
        types=("DeepSVDDCenterTracker",), params={"rep_dim": None, "alpha": "rate"}, only={"update_in_eval": False}
    ),
    "DeepSVDDSoftBoundaryLoss": NodeWords(types=("DeepSVDDSoftBoundaryLoss",)),
    "DeepSVDDScores": NodeWords(types=("DeepSVDDScores",)),
    "ScoreToLogit": NodeWords(types=("ScoreToLogit",), params={"init_scale": None, "init_bias": None}),
    "BinaryDecider": NodeWords(types=("BinaryDecider",)),
    "QuantileBinaryDecider": NodeWords(
        types=("QuantileBinaryDecider",), inputs={"logits": "scores"}, only={"reduce_dims": None}
    ),
    "AnomalyBCEWithLogits": NodeWords(
        types=("AnomalyBCEWithLogits",), inputs={"predictions": "logits"}, only={"reduction": "mean"}
    ),
    "SelectorEntropyRegularizer": NodeWords(
        types=("SelectorEntropyRegularizer",), params={"eps": None}, only={"target_entropy": None}
    ),
    "SelectorDiversityRegularizer": NodeWords(types=("SelectorDiversityRegularizer",)),
    "AnomalyDetectionMetrics": NodeWords(types=("IoU", "Precision", "Recall", "F1"), inputs={"logits": None}),
    "ScoreHeatmapVisualizer": NodeWords(
        types=("AnomalyHeatmap",),
        params=_DRAWN | {"normalize_scores": None, "cmap": None},
        given={"output_dir": PICTURES},
    ),
    "AnomalyMask": NodeWords(
        types=("MaskOverlay",),
        params=_DRAWN | {"channel": None},
        inputs={"cube": "data", "mask": "targets", "scores": None},
        given={"output_dir": PICTURES},
    ),
    "CubeRGBVisualizer": NodeWords(
        types=("FalseColorRGB",),
        params=_DRAWN,
        inputs={"cube": "data", "weights": None},
        given={"output_dir": PICTURES},
    ),
    "TensorBoardMonitorNode": NodeWords(types=("TelemetryMonitor",), params={"flush_secs": None}),
}
"""By the last part of their class names."""


@dataclasses.dataclass(frozen=True, slots=True)
class Translated:
    """A pipeline in our words, and the nodes that stand for one of theirs, by its name."""

    nodes: list[object]
    connections: object
    names: Mapping[str, tuple[str, ...]]


def translate(nodes: list[object], connections: object, path: str) -> Translated:
    """Exchange the words of a pipeline's nodes and connections.

    Args:
        nodes: as the file has them; those that are not of these systems stay as they are.
        connections: the same.
        path: key path of the pipeline, for the violations.

    Raises:
        Failure: CONFIG_INVALID for a parameter whose value would mean something else here.
    """
    words = {name: known for node in nodes if (known := words_of(node)) is not None and (name := _name(node))}
    names = _names(words, {_name(node) for node in nodes})
    translated = [each for index, node in enumerate(nodes) for each in _nodes(node, names, f"{path}nodes.{index}")]
    if not isinstance(connections, list):
        return Translated(translated, connections, names)
    return Translated(translated, [each for edge in connections for each in _edges(edge, words, names)], names)


def words_of(node: object) -> NodeWords | None:
    """What is known about the type of a node; None for one that is not of these systems."""
    class_name = node.get("class_name") if isinstance(node, dict) else None
    if not isinstance(class_name, str) or not class_name.startswith(PACKAGE):
        return None
    return NODES.get(class_name.rpartition(".")[2])


def _name(node: object) -> str:
    return str(node.get("name", "")) if isinstance(node, dict) else ""


def _names(words: Mapping[str, NodeWords], taken: set[str]) -> dict[str, tuple[str, ...]]:
    """The nodes that stand for each of theirs. Metrics are reported by the names of their nodes, so these are short."""
    names: dict[str, tuple[str, ...]] = {}
    for name, known in words.items():
        if len(known.types) == 1:
            names[name] = (name,)
            continue
        short = tuple(each.lower() for each in known.types)
        names[name] = short if taken.isdisjoint(short) else tuple(f"{name}_{each}" for each in short)
        taken = taken.union(names[name])
    return names


def _nodes(node: Any, names: Mapping[str, tuple[str, ...]], path: str) -> Iterator[object]:  # noqa: ANN401 - what a file holds
    words = words_of(node)
    if words is None or _name(node) not in names:
        yield node
        return
    params = _params(node.get("params") or {}, words, path)
    for name, type_name in zip(names[_name(node)], words.types, strict=True):
        yield {**node, "name": name, "class_name": type_name, "params": params}


def _params(params: object, words: NodeWords, path: str) -> object:
    if not isinstance(params, dict):
        return params
    for name, value in words.only.items():
        if params.get(name, value) != value:
            description = f"can only be {value!r} here"
            violation = Violation(f"{path}.params.{name}", description)
            raise Failure(Reason.CONFIG_INVALID, f"{violation.subject} {description}", violations=(violation,))
    known = _COMMON | dict.fromkeys(words.only) | dict(words.params)
    renamed = {new: value for name, value in params.items() if (new := known.get(name, name)) is not None}
    if isinstance(renamed.get("output_dir"), str):
        renamed["output_dir"] = posixpath.normpath(renamed["output_dir"].replace("\\", "/"))
    return {**words.given, **renamed}


def _edges(edge: Any, words: Mapping[str, NodeWords], names: Mapping[str, tuple[str, ...]]) -> Iterator[object]:  # noqa: ANN401
    source, target = (str(edge.get(end, "")).split(".") if isinstance(edge, dict) else [] for end in _ENDS)
    if len(source) != _PARTS or len(target) != _PARTS:
        yield edge
        return
    port = words[target[0]].inputs.get(target[2], target[2]) if target[0] in words else target[2]
    if port is None or (source[0] in words and source[2] in REPORTS):
        return
    for name in names.get(target[0], (target[0],)):
        yield {**edge, "target": f"{name}.{target[1]}.{port}"}


_ENDS = ("source", "target")
_PARTS = 3
