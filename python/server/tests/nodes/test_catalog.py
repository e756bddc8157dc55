from __future__ import annotations

import inspect
import json
import re
from typing import Any

import pytest

from catenary_server.domain.node import NodeCategory
from catenary_server.nodes.catalog import BUILT_IN, built_in_types
from catenary_server.nodes.node import MetricNode, Node, StatisticalNode

by_name = pytest.mark.parametrize("node", BUILT_IN, ids=lambda node: node.__name__)


@by_name
def test_every_type_says_what_it_is_takes_and_gives(node: type[Node[Any]]) -> None:
    spec = node.spec()
    assert spec.class_name == node.__name__
    assert spec.full_path == f"{node.__module__}.{node.__name__}"
    assert spec.description.endswith((".", ")", ":")) or "." in spec.description
    assert "\n" not in spec.description
    assert spec.inputs
    assert all(port.description for port in (*spec.inputs, *spec.outputs))
    assert all(param.description for param in spec.params)
    assert spec.statistical == issubclass(node, StatisticalNode)


@by_name
def test_methods_of_the_literature_are_cited(node: type[Node[Any]]) -> None:
    spec = node.spec()
    if spec.category is NodeCategory.MODEL:
        assert spec.citation
    if spec.citation:
        year = re.findall(r"(?:19|20)\d\d", spec.citation)
        assert year
        assert any(each in inspect.getdoc(node) for each in year)  # type: ignore[operator]  # every type has one


@by_name
def test_defaults_are_json(node: type[Node[Any]]) -> None:
    specs = node.spec().params
    values = {param.name: json.loads(param.default) for param in specs if not param.required}
    required: dict[str, object] = {param.name: "out" for param in specs if param.required}
    assert node.declaration.params.read(values | required, "p") == node.declaration.params.read(required, "p")


@by_name
def test_losses_and_metrics_have_the_ports_that_reports_read(node: type[Node[Any]]) -> None:
    outputs = {port.name: port.shape for port in node.spec().outputs}
    if node.declaration.category in (NodeCategory.LOSS, NodeCategory.REGULARIZER):
        assert outputs == {"loss": ()}
    if node.declaration.category is NodeCategory.METRIC:
        assert issubclass(node, MetricNode)
        assert outputs == {"value": ()}


@by_name
def test_what_fitting_makes_is_there_from_the_start_and_empty(node: type[Node[Any]]) -> None:
    values: dict[str, object] = {"output_dir": "out"} if "output_dir" in {p.name for p in node.spec().params} else {}
    made = node(node.declaration.params.read(values, "params"))
    if isinstance(made, StatisticalNode):
        assert made.fitted
        assert not made.is_fitted
        assert set(made.fitted) <= set(made.state_dict())


def test_older_names_lead_to_the_same_types() -> None:
    types = built_in_types()
    assert types["LentilsAnomalyDataNode"] is types["SceneInput"]
    assert types["ZScoreNormalizerGlobal"] is types["ZScoreNormalizer"]
    assert types["TensorBoardMonitorNode"] is types["TelemetryMonitor"]


def test_only_folders_that_are_written_to_are_paths() -> None:
    paths = {(node.__name__, p.name) for node in BUILT_IN for p in node.spec().params if p.is_path}
    assert paths == {
        (name, "output_dir") for name in ("AnomalyHeatmap", "FalseColorRGB", "MaskOverlay", "TelemetryMonitor")
    }
