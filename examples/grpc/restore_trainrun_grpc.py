"""A saved train run restored: shown, validated, tested, or trained on.

python examples/grpc/restore_trainrun_grpc.py --trainrun-path outputs/trainrun_config.yaml --mode validate
"""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING, Any

from catenary.v1.config_pb2 import DataConfig
from catenary.v1.config_requests_pb2 import ResolveConfigRequest
from catenary.v1.execution_stage_pb2 import EXECUTION_STAGE_TEST, EXECUTION_STAGE_VALIDATE
from catenary.v1.pipeline_requests_pb2 import GetPipelineInputsRequest, GetPipelineOutputsRequest
from catenary.v1.session_requests_pb2 import CloseSessionRequest
from catenary.v1.train_run_config_pb2 import RestoreTrainRunRequest, RestoreTrainRunResponse
from catenary.v1.training_pb2 import (
    TRAIN_STATUS_COMPLETED,
    TRAINER_TYPE_GRADIENT,
    TRAINER_TYPE_STATISTICAL,
    TrainingConfig,
)
from catenary.v1.training_requests_pb2 import EvaluateRequest, TrainRequest
from catenary_client.workflow import CatenaryStub, build_stub, failures_explained, format_progress

if TYPE_CHECKING:
    from collections.abc import Iterable

    from catenary.v1.training_pb2 import TrainResponse

STAGES = {"validate": EXECUTION_STAGE_VALIDATE, "test": EXECUTION_STAGE_TEST}


def show(stub: CatenaryStub, restored: RestoreTrainRunResponse, config: dict[str, Any]) -> None:
    """Print what the train run consists of."""
    session_id = restored.session_id
    print(f"Trainrun: {config['name']}")
    print(f"Pipeline: {config['pipeline']['metadata']['name']}, {len(config['pipeline']['nodes'])} nodes")
    print(f"Weights: {restored.resolved_weights_path if restored.weights_restored else 'none were saved'}")
    inputs = stub.GetPipelineInputs(GetPipelineInputsRequest(session_id=session_id))
    outputs = stub.GetPipelineOutputs(GetPipelineOutputsRequest(session_id=session_id))
    print(f"Inputs: {', '.join(inputs.input_names)}")
    print(f"Outputs: {', '.join(outputs.output_names)}")


def follow(label: str, events: Iterable[TrainResponse]) -> None:
    """Print the events of a run or an evaluation; leave with status 1 unless it completes."""
    status = None
    for progress in events:
        print(f"[{label}] {format_progress(progress)}", flush=True)
        status = progress.status
    if status != TRAIN_STATUS_COMPLETED:
        raise SystemExit(f"{label} did not complete")


def evaluate(stub: CatenaryStub, restored: RestoreTrainRunResponse, mode: str, data: DataConfig | None) -> None:
    """Measure the restored pipeline on a split of the data."""
    if not restored.weights_restored:
        raise SystemExit(
            f"the train run was saved without weights, so there is nothing to {mode}; "
            "name them with --weights-path, or save it again with save_weights"
        )
    request = EvaluateRequest(session_id=restored.session_id, stage=STAGES[mode], data=data)
    follow(mode, (response.progress for response in stub.Evaluate(request)))


def train_on(
    stub: CatenaryStub, restored: RestoreTrainRunResponse, data: DataConfig | None, training: TrainingConfig | None
) -> None:
    """Train on: gradients from the restored weights where the train run has losses, else the statistical phase."""
    has_losses = bool(json.loads(restored.trainrun.config_bytes).get("loss_nodes"))
    phases = [(TRAINER_TYPE_GRADIENT, "gradient")] if has_losses else []
    if not (restored.weights_restored and has_losses):
        phases.insert(0, (TRAINER_TYPE_STATISTICAL, "statistical"))
    for phase, label in phases:
        request = TrainRequest(session_id=restored.session_id, trainer_type=phase, data=data, training=training)
        follow(label, stub.Train(request))


def overridden(
    stub: CatenaryStub, session_id: str, path: str, overrides: list[str]
) -> tuple[DataConfig | None, TrainingConfig | None]:
    """Data and training of the saved train run with overrides, to send in place of the restored ones."""
    if not overrides:
        return None, None
    foreign = [override for override in overrides if not override.lstrip("+~").startswith(("data.", "training."))]
    if foreign:
        raise SystemExit(f"a restored pipeline stays as saved; only data.* and training.* can change, not {foreign[0]}")
    resolved = stub.ResolveConfig(
        ResolveConfigRequest(session_id=session_id, config_type="trainrun", path=path, overrides=overrides)
    )
    config = json.loads(resolved.config_bytes)
    return (
        DataConfig(config_bytes=json.dumps(config["data"]).encode()),
        TrainingConfig(config_bytes=json.dumps(config["training"]).encode()),
    )


def run(options: argparse.Namespace) -> None:
    """Restore into a session of its own and do what the mode says."""
    stub = build_stub(options.server_address)
    restored = stub.RestoreTrainRun(
        RestoreTrainRunRequest(trainrun_path=options.trainrun_path, weights_path=options.weights_path or None)
    )
    session_id = restored.session_id
    print(f"Session created: {session_id}")
    try:
        show(stub, restored, json.loads(restored.trainrun.config_bytes))
        data, training = overridden(stub, session_id, options.trainrun_path, options.override)
        if options.mode in STAGES:
            evaluate(stub, restored, options.mode, data)
        elif options.mode == "train":
            train_on(stub, restored, data, training)
    finally:
        stub.CloseSession(CloseSessionRequest(session_id=session_id))
        print("Session closed.")


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="Restore a saved train run on a server.")
    parser.add_argument("--trainrun-path", required=True, help="saved train run, as the server names it")
    parser.add_argument("--mode", choices=["info", "validate", "test", "train"], default="info")
    parser.add_argument("--weights-path", default="", help="weights to load instead of those it refers to")
    parser.add_argument("--override", action="append", default=[], metavar="KEY=VALUE", help="may be repeated")
    parser.add_argument("--server-address", default="localhost:50051", metavar="HOST:PORT")
    with failures_explained():
        run(parser.parse_args())


if __name__ == "__main__":
    main()
