"""A drawing is of the format asked for, and shows every node."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from catenary.v1.pipeline_requests_pb2 import GetPipelineVisualizationRequest, GetPipelineVisualizationResponse
from catenary_conformance import rpcs
from catenary_conformance.requirement import capability, requirement
from catenary_conformance.workload import canonical

if TYPE_CHECKING:
    from catenary_conformance.target import Target
    from catenary_conformance.workload import Workload

_PNG = b"\x89PNG\r\n\x1a\n"
_TEXT = ("svg", "dot", "mermaid")


def _draw(target: Target, workload: Workload, format_: str) -> GetPipelineVisualizationResponse:
    content = canonical(workload.pipeline).decode()
    return rpcs.DRAW.ok(target, GetPipelineVisualizationRequest(format=format_, config_content=content))


def _is(format_: str, data: bytes) -> bool:
    begins = data.lstrip()
    return {
        "png": data.startswith(_PNG),
        "svg": b"<svg" in data,
        "dot": begins.startswith((b"digraph", b"graph", b"strict")),
        "mermaid": b"flowchart" in data or b"graph " in data,
    }[format_]


@requirement("CAT-PIP-018", "CAT-PIP-019")
@pytest.mark.parametrize(
    ("asked", "given"),
    [("", "png"), ("svg", "svg"), ("dot", "dot"), ("graphviz", "dot"), ("mermaid", "mermaid")],
    ids=lambda value: value or "unset",
)
def test_the_drawing_is_of_the_format_asked_for_and_names_every_node(
    target: Target, workload: Workload, asked: str, given: str
) -> None:
    answer = _draw(target, workload, asked)
    assert answer.format == given
    assert _is(given, answer.image_data), f"the bytes are no {given}: {answer.image_data[:40]!r}"
    if given in _TEXT:
        text = answer.image_data.decode()
        missing = [each["name"] for each in workload.pipeline["nodes"] if each["name"] not in text]
        assert not missing, f"the drawing does not name {missing}"


@requirement("CAT-PIP-019")
@capability("training")
def test_the_pipeline_of_a_session_is_drawn(target: Target, workload: Workload) -> None:
    request = GetPipelineVisualizationRequest(session_id=workload.trained(), format="dot")
    text = rpcs.DRAW.ok(target, request).image_data.decode()
    assert all(each["name"] in text for each in workload.pipeline["nodes"])


_REFUSED = {
    "nodes: [": "CONFIG_INVALID",
    "- 1": "CONFIG_INVALID",
    '{"nodes": [{"name": "a", "class_name": "x", "params": {"_target_": "f"}}]}': "CONFIG_TARGET_FORBIDDEN",
    '{"nodes": [{"name": "a", "class_name": "NoSuchNodeAnywhere"}]}': "NODE_TYPE_UNKNOWN",
}


@requirement("CAT-PIP-018")
@pytest.mark.parametrize("content", _REFUSED, ids=["yaml", "list", "target", "unknown"])
def test_a_text_that_is_no_pipeline_is_refused(target: Target, content: str) -> None:
    request = GetPipelineVisualizationRequest(format="dot", config_content=content)
    rpcs.DRAW.refused(target, request, reason=_REFUSED[content])
