from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from application import Application, content
from fake_configs import PIPELINE

from catenary.v1 import tensor_pb2
from catenary_server.domain.failure import Failure, Reason, Violation

if TYPE_CHECKING:
    from pathlib import Path

    from wire_client import WireClient


@pytest.fixture
async def loaded(client: WireClient, session_id: str) -> str:
    await client.call("LoadPipeline", session_id=session_id, pipeline={"config_bytes": content()})
    return session_id


async def test_loading_answers_the_metadata(client: WireClient, session_id: str) -> None:
    answer = await client.call("LoadPipeline", session_id=session_id, pipeline={"config_bytes": content()})
    assert answer.metadata.name == "small"
    assert answer.metadata.description == "two nodes"


async def test_ports_are_told_with_type_shape_and_necessity(client: WireClient, loaded: str) -> None:
    inputs = await client.call("GetPipelineInputs", session_id=loaded)
    assert list(inputs.input_names) == ["cube", "bboxes"]
    cube = inputs.input_specs["cube"]
    assert (cube.name, cube.dtype, list(cube.shape), cube.required) == (
        "cube",
        tensor_pb2.D_TYPE_FLOAT32,
        [-1, -1, -1, -1],
        True,
    )
    assert not inputs.input_specs["bboxes"].required
    outputs = await client.call("GetPipelineOutputs", session_id=loaded)
    assert list(outputs.output_names) == ["detector.scores"]
    assert outputs.output_specs["detector.scores"].name == "detector.scores"


async def test_a_saved_pipeline_can_be_loaded_again(client: WireClient, loaded: str, tmp_path: Path) -> None:
    saved = await client.call(
        "SavePipeline", session_id=loaded, pipeline_path="kept/one", metadata={"author": "me", "tags": ["a"]}
    )
    assert (saved.pipeline_path, saved.weights_path) == ("kept/one.yaml", "kept/one.safetensors")
    text = (tmp_path / "artifacts" / saved.pipeline_path).read_bytes()
    answer = await client.call("LoadPipeline", session_id=loaded, pipeline={"config_bytes": text})
    assert (answer.metadata.author, list(answer.metadata.tags)) == ("me", ["a"])
    weights = await client.call("LoadPipelineWeights", session_id=loaded, weights_path="kept/one.pt")
    assert weights.resolved_path == "kept/one.safetensors"


async def test_weights_of_a_request_reach_the_worker_byte_for_byte(
    client: WireClient, loaded: str, app: Application
) -> None:
    sent = b"weights" + bytes(range(256)) * 8192
    answer = await client.call("LoadPipelineWeights", session_id=loaded, weights_bytes=sent)
    assert answer.resolved_path == "(client-bytes)"
    assert app.runtime.worker.weights == sent


async def test_strictness_is_the_default_and_can_be_left_out(client: WireClient, loaded: str) -> None:
    failure = await client.failure("LoadPipelineWeights", session_id=loaded, weights_bytes=b"others")
    assert failure.reason == "WEIGHTS_MISMATCH"
    answer = await client.call("LoadPipelineWeights", session_id=loaded, weights_bytes=b"others", strict=False)
    assert (list(answer.missing_names), list(answer.unexpected_names)) == (["detector.bias"], ["ghost.weight"])


async def test_a_retry_with_the_same_request_id_saves_once(client: WireClient, loaded: str, app: Application) -> None:
    fields: dict[str, Any] = {"session_id": loaded, "pipeline_path": "once", "request_id": "r1", "must_not_exist": True}
    first = await client.call("SavePipeline", **fields)
    assert await client.call("SavePipeline", **fields) == first
    conflict = await client.failure("SavePipeline", **fields | {"pipeline_path": "twice"})
    assert conflict.reason == "IDEMPOTENCY_CONFLICT"
    assert (await client.failure("SavePipeline", **fields | {"request_id": "r2"})).reason == "ARTIFACT_EXISTS"


async def test_a_retry_after_a_failure_tries_again(client: WireClient, loaded: str, app: Application) -> None:
    fields: dict[str, Any] = {"session_id": loaded, "pipeline_path": "once", "request_id": "r1"}
    app.runtime.faults["dump_weights"] = Failure(Reason.DISK_FULL, "no room")
    assert (await client.failure("SavePipeline", **fields)).reason == "DISK_FULL"
    app.runtime.faults.clear()
    assert (await client.call("SavePipeline", **fields)).pipeline_path == "once.yaml"


async def test_every_fault_of_a_graph_is_named(client: WireClient, session_id: str) -> None:
    broken = content(connections=[{"source": "scale.outputs.cube", "target": "missing.inputs.cube"}])
    failure = await client.failure("LoadPipeline", session_id=session_id, pipeline={"config_bytes": broken})
    assert failure.reason == "GRAPH_INVALID"
    assert [violation.subject for violation in failure.violations] == ["connections.0"]


async def test_more_faults_than_fit_are_cut_and_said_so(client: WireClient, session_id: str, app: Application) -> None:
    faults = tuple(Violation(f"nodes.{n}.params.{'x' * 200}", "y" * 400) for n in range(100))
    app.runtime.faults["load_pipeline"] = Failure(Reason.GRAPH_INVALID, "z" * 2000, violations=faults)
    failure = await client.failure("LoadPipeline", session_id=session_id, pipeline={"config_bytes": content()})
    assert failure.reason == "GRAPH_INVALID"
    assert failure.metadata["truncated"] == "true"


async def test_a_path_parameter_outside_the_area_is_refused(client: WireClient, session_id: str) -> None:
    nodes = [*PIPELINE["nodes"]]
    nodes[0] = nodes[0] | {"params": {"output_dir": "../outside"}}
    failure = await client.failure(
        "LoadPipeline", session_id=session_id, pipeline={"config_bytes": content(nodes=nodes)}
    )
    assert failure.reason == "PATH_INVALID"


async def test_the_pipeline_of_a_session_is_drawn_in_the_format_asked_for(client: WireClient, loaded: str) -> None:
    for asked, given, beginning in (
        ("", "png", b"\x89PNG"),
        ("svg", "svg", b"<?xml"),
        ("graphviz", "dot", b'digraph "small"'),
        ("mermaid", "mermaid", b"%% small"),
    ):
        drawing = await client.call("GetPipelineVisualization", session_id=loaded, format=asked)
        assert drawing.format == given
        assert drawing.image_data.startswith(beginning)
    text = (await client.call("GetPipelineVisualization", session_id=loaded, format="svg")).image_data.decode()
    assert all(name in text for name in ("scale", "detector"))


async def test_a_definition_is_drawn_without_a_session(client: WireClient, app: Application) -> None:
    drawing = await client.call("GetPipelineVisualization", config_content=content().decode(), format="dot")
    assert b'"scale" -> "detector"' in drawing.image_data
    assert not app.runtime.workers


async def test_a_drawing_needs_a_pipeline(client: WireClient, session_id: str) -> None:
    assert (await client.failure("GetPipelineVisualization")).reason == "FIELD_INVALID"
    assert (await client.failure("GetPipelineVisualization", session_id=session_id)).reason == "STATE_INVALID"
    assert (await client.failure("GetPipelineVisualization", session_id="unknown")).reason == "SESSION_NOT_FOUND"
    unknown = content(nodes=[{"name": "n", "class_name": "Unknown"}], connections=[]).decode()
    assert (await client.failure("GetPipelineVisualization", config_content=unknown)).reason == "NODE_TYPE_UNKNOWN"
    assert (await client.failure("GetPipelineVisualization", config_content="- no")).reason == "CONFIG_INVALID"
