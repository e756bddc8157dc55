"""The whole way: resolve a train run, train both phases, save pipeline and train run.

python examples/grpc/complete_workflow_client.py --trainrun deep_svdd --override training.trainer.max_epochs=5
"""

from __future__ import annotations

import argparse

from catenary.v1.pipeline_requests_pb2 import SavePipelineRequest
from catenary.v1.session_requests_pb2 import CloseSessionRequest
from catenary.v1.train_run_config_pb2 import SaveTrainRunRequest
from catenary.v1.training_pb2 import (
    TRAIN_STATUS_COMPLETED,
    TRAINER_TYPE_GRADIENT,
    TRAINER_TYPE_STATISTICAL,
    TrainerType,
)
from catenary.v1.training_requests_pb2 import TrainRequest
from catenary_client.workflow import (
    CatenaryStub,
    apply_trainrun_config,
    build_stub,
    config_search_paths,
    create_session_with_search_paths,
    failures_explained,
    format_progress,
    resolve_trainrun_config,
)


def train(stub: CatenaryStub, session_id: str, phase: TrainerType.ValueType, label: str) -> None:
    """Train one phase and print its progress; leave with status 1 unless it completes."""
    print(f"Starting {label} training...")
    status = None
    for progress in stub.Train(TrainRequest(session_id=session_id, trainer_type=phase)):
        print(f"[{label}] {format_progress(progress)}", flush=True)
        status = progress.status
    if status != TRAIN_STATUS_COMPLETED:
        raise SystemExit(f"{label} training did not complete")


def save(stub: CatenaryStub, session_id: str, pipeline_out: str, trainrun_out: str) -> None:
    """Save the trained pipeline and the train run, and say where."""
    pipeline = stub.SavePipeline(SavePipelineRequest(session_id=session_id, pipeline_path=pipeline_out))
    print(f"Pipeline saved: {pipeline.pipeline_path}")
    print(f"Weights saved: {pipeline.weights_path}")
    trainrun = stub.SaveTrainRun(SaveTrainRunRequest(session_id=session_id, trainrun_path=trainrun_out))
    print(f"Trainrun config saved: {trainrun.trainrun_path}")


def run(options: argparse.Namespace) -> None:
    """Do the whole way in a session of its own."""
    stub = build_stub(options.server_address)
    session_id = create_session_with_search_paths(stub, config_search_paths())
    print(f"Session created: {session_id}")
    try:
        resolved, config = resolve_trainrun_config(stub, session_id, options.trainrun, overrides=options.override)
        print(f"Resolved trainrun: {config['name']}")
        print(f"Pipeline: {config['pipeline']['metadata']['name']}")
        apply_trainrun_config(stub, session_id, resolved.config_bytes)
        train(stub, session_id, TRAINER_TYPE_STATISTICAL, "statistical")
        if config.get("loss_nodes"):
            train(stub, session_id, TRAINER_TYPE_GRADIENT, "gradient")
        save(stub, session_id, options.pipeline_out, options.trainrun_out)
    finally:
        stub.CloseSession(CloseSessionRequest(session_id=session_id))
        print("Session closed.")


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="Train a pipeline on a server and save it.")
    parser.add_argument("--trainrun", default="deep_svdd", help="train run below configs/trainrun")
    parser.add_argument("--pipeline-out", default="outputs/trained_pipeline.yaml", help="where to save the pipeline")
    parser.add_argument("--trainrun-out", default="outputs/trainrun_config.yaml", help="where to save the train run")
    parser.add_argument("--override", action="append", default=[], metavar="KEY=VALUE", help="may be repeated")
    parser.add_argument("--server-address", default="localhost:50051", metavar="HOST:PORT")
    with failures_explained():
        run(parser.parse_args())


if __name__ == "__main__":
    main()
