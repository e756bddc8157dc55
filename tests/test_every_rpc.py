"""Every RPC of the contract against a real server: each is answered, and each has once succeeded.

Which RPCs there are is read from the descriptors, so that one that is added and not walked fails here.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import grpc
import numpy as np
import pytest
from google.protobuf.message_factory import GetMessageClass
from google.rpc import code_pb2

from catenary.contract.v1 import options_pb2
from catenary.v1 import error_pb2
from catenary_client.connection import channel_options
from catenary_client.local import local_server
from catenary_wire import names
from catenary_wire.errors import failure_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray


METHODS = {method.name: method for service in names.services() for method in service.methods}
ANY_RPC = {
    "INVALID_ARGUMENT",
    "UNAUTHENTICATED",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "UNAVAILABLE",
    "DEADLINE_EXCEEDED",
    "CANCELLED",
}
"""Codes that any RPC may answer, less those that say that it does not work."""

STATISTICAL, GRADIENT = 1, 2
TEST = 3
COMPLETED, CANCELLED = 2, 4
FLOAT32 = 1
STOP_TRAINING, CHANGE_LEARNING_RATE = 3, 5
ENDED = 4
SMALL = ["data.synthetic.rows=32", "data.synthetic.cols=32"]
LONG = [*SMALL, "training.trainer.max_epochs=100000"]
PLUGIN = """
from catenary_server.nodes.mse_loss import MSELoss

class Walked(MSELoss):
    '''A loss of another package.'''

NODES = (Walked,)
"""
CUBE = np.random.default_rng(0).random((1, 8, 8, 96), dtype=np.float32)


def saved_array(array: NDArray[np.float32]) -> bytes:
    """An array as a `.npy` file has it."""
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


class Caller:
    """Calls RPCs by name and remembers which succeeded."""

    def __init__(self, channel: grpc.Channel) -> None:
        self.succeeded: set[str] = set()
        self._channel = channel

    def begin(self, name: str, *requests: dict[str, Any], **fields: Any) -> Any:
        """The call, with the requests of a stream or the fields of the one."""
        method = METHODS[name]
        kinds: dict[tuple[bool, bool], Any] = {
            (False, False): self._channel.unary_unary,
            (False, True): self._channel.unary_stream,
            (True, False): self._channel.stream_unary,
            (True, True): self._channel.stream_stream,
        }
        request, response = GetMessageClass(method.input_type), GetMessageClass(method.output_type)
        kind = kinds[method.client_streaming, method.server_streaming]
        call = kind(names.path_of(method), request.SerializeToString, response.FromString)
        return call(iter([request(**each) for each in requests]) if requests else request(**fields), timeout=60)

    def stream(self, name: str, *requests: dict[str, Any], **fields: Any) -> list[Any]:
        """Every answer of a call that succeeds."""
        answer = self.begin(name, *requests, **fields)
        answers = list(answer) if METHODS[name].server_streaming else [answer]
        self.succeeded.add(name)
        return answers

    def __call__(self, name: str, *requests: dict[str, Any], **fields: Any) -> Any:
        """The last answer."""
        return self.stream(name, *requests, **fields)[-1]


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server with one plugin."""
    folder = tmp_path_factory.mktemp("every_rpc")
    info = folder / "walked-1.0.dist-info"
    info.mkdir()
    (folder / "walked.py").write_text(PLUGIN)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: walked\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[catenary.nodes]\nwalked = walked:NODES\n")
    (info / "RECORD").write_text("walked.py,,\n")
    roots = ["--artifacts", str(folder / "artifacts"), "--telemetry", str(folder / "telemetry")]
    configs = Path(__file__).resolve().parents[1] / "configs"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", os.pathsep.join([str(folder), os.environ.get("PYTHONPATH", "")]))
        command = [*roots, "--configs", str(configs), "--allow-plugin", "walked"]
        with local_server(folder / "log", command) as started:
            yield started


@pytest.fixture
def rpc(address: str) -> Iterator[Caller]:
    with grpc.insecure_channel(address, channel_options(1 << 24)) as channel:
        yield Caller(channel)


@pytest.mark.parametrize("name", METHODS)
def test_it_is_answered_with_what_its_contract_declares(rpc: Caller, name: str) -> None:
    method = METHODS[name]
    declared = method.GetOptions().Extensions[options_pb2.method].codes
    outcome = _outcome(rpc, name, *([{}] if method.client_streaming else []))
    if outcome is not None:
        code, reason = outcome
        assert code in ANY_RPC | {code_pb2.Code.Name(number) for number in declared}
        value = error_pb2.ErrorReason.DESCRIPTOR.values_by_name[f"ERROR_REASON_{reason}"]
        assert code == code_pb2.Code.Name(value.GetOptions().Extensions[options_pb2.reason].code)


def _outcome(rpc: Caller, name: str, *requests: dict[str, Any]) -> tuple[str, str] | None:
    """Code and reason of a failure; None for a success."""
    try:
        rpc(name, *requests)
    except grpc.RpcError as error:
        return error.code().name, failure_of(error).reason
    return None


def test_it_has_succeeded(rpc: Caller) -> None:
    session_id = rpc("CreateSession", request_id="walk").session_id
    _look_around(rpc, session_id)
    _train(rpc, session_id)
    _run_pipeline(rpc, session_id)
    _keep_files(rpc, session_id)
    _report_from_outside(rpc)
    rpc("CloseSession", session_id=session_id)
    assert set(METHODS) - rpc.succeeded == set()


def _look_around(rpc: Caller, session_id: str) -> None:
    """What a server and a new session tell."""
    assert "sessions" in [each.name for each in rpc("GetServerInfo").capabilities]
    assert rpc("GetSession", session_id=session_id).session.session_id == session_id
    assert session_id in [each.session_id for each in rpc("ListSessions").sessions]
    assert rpc("SetSessionSearchPaths", session_id=session_id, search_paths=["/none"]).rejected_paths == ["/none"]
    assert rpc("ListConfigs", session_id=session_id, config_type="trainrun").configs
    assert json.loads(rpc("GetParameterSchema", config_type="data").json_schema)["type"] == "object"
    assert not rpc("ValidateConfig", config_type="data", config_bytes=b"[]").valid
    assert rpc("ListAvailablePipelines").pipelines
    assert rpc("GetPipelineInfo", pipeline_path="pipeline/rx").pipeline_info.yaml_content
    assert rpc("ListAvailableNodes", session_id=session_id).nodes
    assert rpc("GetTrainingCapabilities").supported_optimizers
    rpc("LoadPlugin", session_id=session_id, manifest={"config_bytes": b'{"name": "walked"}'})
    assert [each.name for each in rpc("ListLoadedPlugins", session_id=session_id).plugins] == ["walked"]
    assert rpc("GetPluginInfo", session_id=session_id, plugin_name="walked").plugin.source == "walked"
    assert rpc("ClearPluginCache").cleared_count >= 0


def _train(rpc: Caller, session_id: str) -> None:
    """Both phases, the second of them steered, watched and stopped."""
    named = {"session_id": session_id}
    config = rpc("ResolveConfig", **named, config_type="trainrun", path="deep_svdd", overrides=LONG).config_bytes
    assert rpc("SetTrainRunConfig", **named, config={"config_bytes": config}).pipeline_from_config
    rpc("SetProfiling", **named, enabled=True)
    assert rpc("Train", **named, trainer_type=STATISTICAL).status == COMPLETED
    running = rpc.begin("Train", **named, trainer_type=GRADIENT)
    known = (event.run_id for event in running if event.run_id in {run.run_id for run in rpc("ListRuns").runs})
    run_id = next(known)
    slower = {"type": CHANGE_LEARNING_RATE, "learning_rate": 0.001, "command_id": "walk"}
    told = rpc("SendCommand", run_id=run_id, command=slower, result_timeout={"seconds": 30})
    assert told.result.applied.new_setting.learning_rate == 0.001
    assert rpc("StopTrain", **named).accepted
    assert [event.status for event in running][-1] == CANCELLED
    assert rpc("GetTrainStatus", **named).latest_progress.status == CANCELLED
    assert rpc.stream("WatchTraining", **named, run_id=run_id)[0].HasField("snapshot")
    assert rpc("Evaluate", **named, stage=TEST).progress.status == COMPLETED


def _run_pipeline(rpc: Caller, session_id: str) -> None:
    """One cube through the pipeline in each of three ways."""
    named = {"session_id": session_id}
    assert "cube" in rpc("GetPipelineInputs", **named).input_names
    assert "scores.scores" in rpc("GetPipelineOutputs", **named).output_names
    assert b"digraph" in rpc("GetPipelineVisualization", **named, format="dot").image_data
    tensor = {"shape": CUBE.shape, "dtype": FLOAT32, "raw_data": CUBE.tobytes()}
    wanted = {**named, "output_specs": ["scores.scores"]}
    scores = rpc("Inference", **wanted, inputs={"cube": tensor}).outputs["scores.scores"].raw_data
    streamed = rpc("StreamInference", {"correlation_id": "a", "inference": {**wanted, "inputs": {"cube": tensor}}})
    assert streamed.result.outputs["scores.scores"].raw_data == scores
    header = {"name": "cube", "dtype": FLOAT32, "shape": CUBE.shape, "size_bytes": CUBE.nbytes}
    chunked = rpc("InferenceChunked", {"header": {**wanted, "tensors": [header]}}, {"chunk": {"data": CUBE.tobytes()}})
    assert chunked.chunk.data == scores
    assert rpc("GetProfilingSummary", **named).node_stats


def _keep_files(rpc: Caller, session_id: str) -> None:
    """Pipelines, train runs and datasets are kept, sent and given back."""
    named = {"session_id": session_id}
    saved = rpc("SavePipeline", **named, pipeline_path="walk/pipeline")
    files = rpc.stream("DownloadPipeline", pipeline_path=saved.pipeline_path)
    chunks = [{"chunk": each.chunk} for each in files[1:]]
    header = {"pipeline_path": "walk/copy", "files": files[0].files}
    copy = rpc("UploadPipeline", {"header": header}, *chunks)
    assert copy.weights_path == "walk/copy.safetensors"
    definition = rpc("ResolveConfig", **named, config_type="pipeline", path=copy.pipeline_path).config_bytes
    run = rpc("SaveTrainRun", **named, trainrun_path="walk/run", save_weights=True)
    rpc("LoadPipeline", **named, pipeline={"config_bytes": definition})
    assert rpc("LoadPipelineWeights", **named, weights_path=copy.weights_path).resolved_path == copy.weights_path
    restored = rpc("RestoreTrainRun", trainrun_path=run.trainrun_path)
    assert restored.weights_restored
    rpc("CloseSession", session_id=restored.session_id)
    content = saved_array(CUBE)
    declared = {"path": "scene.npy", "size_bytes": len(content), "sha256": hashlib.sha256(content).digest()}
    upload = {"request_id": "walk", "name": "walk", "files": [declared]}
    dataset_id = rpc("UploadDataset", {"header": upload}, {"chunk": {"content": content}}).dataset.dataset_id
    assert [each.dataset_id for each in rpc("ListDatasets").datasets] == [dataset_id]
    assert rpc("GetDataset", dataset_id=dataset_id).dataset.name == "walk"
    rpc("DeleteDataset", dataset_id=dataset_id)


def _report_from_outside(rpc: Caller) -> None:
    """A training elsewhere reports, is watched and told to stop."""
    rpc(
        "RegisterTrainingSession",
        session_id="walk",
        client_name="walk",
        client_version="1",
        commands=[{"type": STOP_TRAINING}],
    )
    message = {"session_id": "walk", "timestamp_ms": 1}
    ended = {**message, "status_update": {"status": ENDED}}
    batch = {**message, "batch_data": {"batch_loss": 0.5, "batch_size": 1}}
    assert rpc.stream("StreamTelemetry", batch, ended)[0].ack.success
    assert "walk" in [run.run_id for run in rpc("ListRuns").runs]
    run = rpc("GetRun", run_id="walk").run
    assert run.status == ENDED
    assert rpc("WatchRun", run_id="walk").run_ended.run_id == "walk"
    series = rpc("QueryMetrics", run_id="walk", metric_names=run.metric_names).series
    assert [0.5] in [list(each.minimums) for each in series]
    assert rpc("DeleteRun", run_id="walk").freed_bytes
