"""Gradient training: after the statistical phase, descent on the losses of the pipeline, with losses before and after.

python examples/grpc/gradient_training_client.py --trainrun deep_svdd
"""

from __future__ import annotations

import argparse

from catenary.v1.pipeline_requests_pb2 import SavePipelineRequest
from catenary.v1.session_requests_pb2 import CloseSessionRequest
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


def train(stub: CatenaryStub, session_id: str, phase: TrainerType.ValueType, label: str) -> list[dict[str, float]]:
    """Train one phase and print its progress; returns the losses of each event that has some."""
    losses = []
    status = None
    for progress in stub.Train(TrainRequest(session_id=session_id, trainer_type=phase)):
        print(f"[{label}] {format_progress(progress)}", flush=True)
        status = progress.status
        if progress.losses:
            losses.append(dict(progress.losses))
    if status != TRAIN_STATUS_COMPLETED:
        raise SystemExit(f"{label} training did not complete")
    return losses


def run(options: argparse.Namespace) -> None:
    """Train in a session of its own."""
    stub = build_stub(options.server_address)
    session_id = create_session_with_search_paths(stub, config_search_paths())
    print(f"Session created: {session_id}")
    try:
        resolved, config = resolve_trainrun_config(stub, session_id, options.trainrun, overrides=options.override)
        print(f"Resolved trainrun: {config['name']}")
        apply_trainrun_config(stub, session_id, resolved.config_bytes)
        train(stub, session_id, TRAINER_TYPE_STATISTICAL, "statistical")
        losses = train(stub, session_id, TRAINER_TYPE_GRADIENT, "gradient")
        for name in sorted(losses[0]) if losses else ():
            course = [values[name] for values in losses if name in values]
            print(f"{name}: {course[0]:.4f} -> {course[-1]:.4f}")
        if options.pipeline_out:
            saved = stub.SavePipeline(SavePipelineRequest(session_id=session_id, pipeline_path=options.pipeline_out))
            print(f"Pipeline saved: {saved.pipeline_path}")
            print(f"Weights saved: {saved.weights_path}")
    finally:
        stub.CloseSession(CloseSessionRequest(session_id=session_id))
        print("Session closed.")


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="Train both phases of a pipeline on a server and follow its losses.")
    parser.add_argument("--trainrun", default="deep_svdd", help="train run below configs/trainrun")
    parser.add_argument("--pipeline-out", default="", help="where to save the pipeline; empty does not save it")
    parser.add_argument("--override", action="append", default=[], metavar="KEY=VALUE", help="may be repeated")
    parser.add_argument("--server-address", default="localhost:50051", metavar="HOST:PORT")
    with failures_explained():
        run(parser.parse_args())


if __name__ == "__main__":
    main()
