"""The workflow of a client that has nothing but the published stubs of `cuvis_ai.v1`, and an address.

Prints what it saw as JSON. Usage: old_client.py ADDRESS
"""

from __future__ import annotations

import json
import sys
from typing import Any

import grpc
import numpy as np
from cuvis_ai_schemas.grpc.v1 import cuvis_ai_pb2 as pb
from cuvis_ai_schemas.grpc.v1.cuvis_ai_pb2_grpc import CuvisAIServiceStub

OVERRIDES = ["training.trainer.max_epochs=2", "data.synthetic.rows=32", "data.synthetic.cols=32"]
UNLIMITED = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]


def main(address: str) -> dict[str, Any]:
    """Train, save, load, infer, restore."""
    with grpc.insecure_channel(address, options=UNLIMITED) as channel:
        stub = CuvisAIServiceStub(channel)
        answers = call_everything(stub)
        session_id = stub.CreateSession(pb.CreateSessionRequest()).session_id
        seen = {"answers": answers} | train(stub, session_id)
        seen |= save_and_load(stub, session_id)
        seen |= infer(stub, session_id)
        seen |= restore(stub, session_id)
        seen["closed"] = stub.CloseSession(pb.CloseSessionRequest(session_id=session_id)).success
    seen["foreign_modules"] = sorted({name.partition(".")[0] for name in sys.modules if name.startswith("catenary")})
    return seen


def call_everything(stub: CuvisAIServiceStub) -> dict[str, str]:
    """The status of every method that these stubs have, asked with nothing but a session; CloseSession last."""
    session_id = stub.CreateSession(pb.CreateSessionRequest()).session_id
    methods = pb.DESCRIPTOR.services_by_name["CuvisAIService"].methods
    answers = {}
    for method in sorted(methods, key=lambda method: method.name == "CloseSession"):
        named = {"session_id": session_id} if "session_id" in method.input_type.fields_by_name else {}
        request = getattr(pb, method.input_type.name)(**named)
        try:
            answer = getattr(stub, method.name)(request, timeout=60)
            if method.server_streaming:
                list(answer)
            answers[method.name] = "OK"
        except grpc.RpcError as error:
            answers[method.name] = error.code().name
    return answers


def train(stub: CuvisAIServiceStub, session_id: str) -> dict[str, Any]:
    """Search paths, configuration, both phases."""
    paths = stub.SetSessionSearchPaths(
        pb.SetSessionSearchPathsRequest(session_id=session_id, search_paths=["/not/there"], append=True)
    )
    resolved = stub.ResolveConfig(
        pb.ResolveConfigRequest(
            session_id=session_id, config_type="trainrun", path="trainrun/deep_svdd", overrides=OVERRIDES
        )
    )
    config = pb.TrainRunConfig(config_bytes=resolved.config_bytes)
    applied = stub.SetTrainRunConfig(pb.SetTrainRunConfigRequest(session_id=session_id, config=config))
    phases = [
        [
            (event.status, event.message)
            for event in stub.Train(pb.TrainRequest(session_id=session_id, trainer_type=kind))
        ]
        for kind in (pb.TRAINER_TYPE_STATISTICAL, pb.TRAINER_TYPE_GRADIENT)
    ]
    status = stub.GetTrainStatus(pb.GetTrainStatusRequest(session_id=session_id))
    return {
        "search_paths": [paths.success, len(paths.current_paths), list(paths.rejected_paths)],
        "name": json.loads(resolved.config_bytes)["name"],
        "applied": [applied.success, applied.pipeline_from_config],
        "phases": phases,
        "status": status.latest_progress.status,
    }


def save_and_load(stub: CuvisAIServiceStub, session_id: str) -> dict[str, Any]:
    """The pipeline to files and back."""
    saved = stub.SavePipeline(
        pb.SavePipelineRequest(
            session_id=session_id, pipeline_path="old_client/pipeline", metadata=pb.PipelineMetadata(author="me")
        )
    )
    run = stub.SaveTrainRun(
        pb.SaveTrainRunRequest(session_id=session_id, trainrun_path="old_client/run", save_weights=True)
    )
    resolved = stub.ResolveConfig(
        pb.ResolveConfigRequest(session_id=session_id, config_type="pipeline", path=saved.pipeline_path)
    )
    pipeline = pb.PipelineConfig(config_bytes=resolved.config_bytes)
    loaded = stub.LoadPipeline(pb.LoadPipelineRequest(session_id=session_id, pipeline=pipeline))
    weights = stub.LoadPipelineWeights(
        pb.LoadPipelineWeightsRequest(session_id=session_id, weights_path=saved.weights_path, strict=True)
    )
    return {
        "saved": [saved.success, saved.pipeline_path, saved.weights_path],
        "saved_run": [run.success, run.trainrun_path, run.weights_path],
        "loaded": [loaded.success, loaded.metadata.author],
        "weights": [weights.success, weights.resolved_path],
    }


def infer(stub: CuvisAIServiceStub, session_id: str) -> dict[str, Any]:
    """The ports, and a cube through them."""
    inputs = stub.GetPipelineInputs(pb.GetPipelineInputsRequest(session_id=session_id))
    outputs = stub.GetPipelineOutputs(pb.GetPipelineOutputsRequest(session_id=session_id))
    cube = np.random.default_rng(0).random((1, 8, 8, 96), dtype=np.float32)
    tensor = pb.Tensor(shape=cube.shape, dtype=inputs.input_specs["cube"].dtype, raw_data=cube.tobytes())
    batch = pb.InputBatch(cube=tensor)
    answer = stub.Inference(pb.InferenceRequest(session_id=session_id, inputs=batch))
    chosen = stub.Inference(pb.InferenceRequest(session_id=session_id, inputs=batch, output_specs=["scores.scores"]))
    shapes = {name: [*result.shape] for name, result in answer.outputs.items()}
    complete = all(len(result.raw_data) for result in answer.outputs.values())
    return {
        "inputs": list(inputs.input_names),
        "outputs": sorted(outputs.output_names),
        "shapes": shapes,
        "complete": complete,
        "chosen": {name: [*result.shape] for name, result in chosen.outputs.items()},
    }


def restore(stub: CuvisAIServiceStub, session_id: str) -> dict[str, Any]:
    """The trainrun in a session of its own, and what an unknown session answers."""
    restored = stub.RestoreTrainRun(pb.RestoreTrainRunRequest(trainrun_path="old_client/run.yaml"))
    ports = stub.GetPipelineInputs(pb.GetPipelineInputsRequest(session_id=restored.session_id))
    stub.CloseSession(pb.CloseSessionRequest(session_id=restored.session_id))
    try:
        stub.GetPipelineInputs(pb.GetPipelineInputsRequest(session_id=restored.session_id))
    except grpc.RpcError as error:
        closed = error.code().name
    return {
        "restored": [
            restored.session_id != session_id,
            json.loads(restored.trainrun.config_bytes)["name"],
            list(ports.input_names),
        ],
        "after_close": closed,
    }


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1])))  # noqa: T201 - the test reads it
