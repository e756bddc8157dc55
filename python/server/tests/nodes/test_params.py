from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import pytest

from catenary_server.domain.failure import Failure, Reason
from catenary_server.nodes.params import NodeParams, param


class Example(NodeParams):
    count: int = param(description="how many", ge=1, le=5)
    share: float | None = param(None, description="how much", gt=0)
    mode: Literal["a", "b"] = param("a", description="which")
    folder: Path = param(Path("out"), description="where")
    active: bool = param(default=True, description="whether")
    title: str = param("x", description="what")


def test_values_become_a_frozen_dataclass() -> None:
    params = Example.read({"count": 2, "share": 1, "folder": "here"}, "params")
    assert (params.count, params.share, params.mode, params.folder, params.active) == (2, 1.0, "a", Path("here"), True)
    assert isinstance(params.share, float)
    assert Example.read({"count": 1, "share": None}, "params").share is None


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("count", 0),
        ("count", 6),
        ("count", 1.5),
        ("count", True),
        ("count", None),
        ("count", "2"),
        ("share", 0),
        ("share", float("nan")),
        ("share", "much"),
        ("mode", "c"),
        ("mode", ["a"]),
        ("folder", 3),
        ("active", 1),
        ("title", None),
        ("nowhere", 1),
    ],
)
def test_a_wrong_value_is_refused_by_its_key(name: str, value: Any) -> None:
    with pytest.raises(Failure) as caught:
        Example.read({"count": 1, name: value}, "nodes.3.params")
    assert caught.value.reason is Reason.GRAPH_INVALID
    assert [violation.subject for violation in caught.value.violations] == [f"nodes.3.params.{name}"]


def test_all_faults_are_found_at_once() -> None:
    with pytest.raises(Failure) as caught:
        Example.read({"nowhere": 1, "mode": "c"}, "p")
    assert {violation.subject for violation in caught.value.violations} == {"p.nowhere", "p.count", "p.mode"}


def test_parameters_describe_themselves() -> None:
    specs = {spec.name: spec for spec in Example.specs()}
    assert {name: spec.type for name, spec in specs.items()} == {
        "count": "integer",
        "share": "number",
        "mode": "string",
        "folder": "path",
        "active": "boolean",
        "title": "string",
    }
    assert specs["count"].required
    assert specs["count"].validation == ">= 1 and <= 5"
    assert specs["mode"].validation == "one of a, b"
    assert specs["folder"].is_path
    assert specs["count"].default == ""
    assert specs["share"].default == "null"
    assert specs["active"].default == "true"
    assert specs["title"].default == '"x"'
    assert specs["folder"].default == '"out"'
    assert specs["share"].description == "how much"
