"""Inference with a trained pipeline on the measurements of a file.

python examples/grpc/run_inference.py --pipeline-path outputs/trained_pipeline.yaml \
        --weights-path outputs/trained_pipeline.safetensors --cu3s-file-path scene.npz
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from catenary.v1.config_requests_pb2 import ResolveConfigRequest
from catenary.v1.inference_pb2 import InputBatch
from catenary.v1.inference_requests_pb2 import InferenceRequest
from catenary.v1.pipeline_pb2 import PipelineConfig
from catenary.v1.pipeline_requests_pb2 import (
    GetPipelineInputsRequest,
    GetPipelineOutputsRequest,
    LoadPipelineRequest,
    LoadPipelineWeightsRequest,
)
from catenary.v1.session_requests_pb2 import CloseSessionRequest
from catenary.v1.tensor_pb2 import DType
from catenary_client.results import PortSpec
from catenary_client.scene_inputs import scene_inputs
from catenary_client.workflow import (
    CatenaryStub,
    build_stub,
    config_search_paths,
    create_session_with_search_paths,
    failures_explained,
)
from catenary_scenes import ProcessingMode, SceneError, read_measurements
from catenary_wire import to_numpy, to_proto

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from numpy.typing import NDArray

    from catenary.v1.tensor_pb2 import TensorSpec

MAX_MSG_SIZE = 600 * 1024 * 1024


def load(stub: CatenaryStub, session_id: str, pipeline_path: str, weights_path: str, overrides: list[str]) -> None:
    """Load structure and weights of a saved pipeline into the session."""
    config = stub.ResolveConfig(
        ResolveConfigRequest(session_id=session_id, config_type="pipeline", path=pipeline_path, overrides=overrides)
    )
    stub.LoadPipeline(
        LoadPipelineRequest(session_id=session_id, pipeline=PipelineConfig(config_bytes=config.config_bytes))
    )
    if weights_path:
        loaded = stub.LoadPipelineWeights(
            LoadPipelineWeightsRequest(session_id=session_id, weights_path=weights_path, strict=True)
        )
        print(f"Weights loaded: {loaded.resolved_path}")


def print_specs(title: str, names: Iterable[str], specs: Mapping[str, TensorSpec]) -> None:
    """Print name, shape and element type of each port, in graph order."""
    print(f"\n{title}:")
    for name in names:
        shape = "x".join(str(size) for size in specs[name].shape)
        print(f"  {name}: [{shape}], dtype={DType.Name(specs[name].dtype)}")


def infer(stub: CatenaryStub, session_id: str, inputs: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """Run the pipeline on the inputs of one measurement."""
    batch = InputBatch()
    for name, array in inputs.items():
        getattr(batch, name).CopyFrom(to_proto(array))
    response = stub.Inference(InferenceRequest(session_id=session_id, inputs=batch))
    return {name: to_numpy(tensor) for name, tensor in response.outputs.items()}


def run(options: argparse.Namespace) -> list[dict[str, NDArray[Any]]]:
    """Run the pipeline on every measurement of the file; returns the outputs of each."""
    mode = ProcessingMode(options.processing_mode) if options.processing_mode else None
    measurements = read_measurements(options.cu3s_file_path, mode)
    stub = build_stub(options.server_address, max_msg_size=MAX_MSG_SIZE)
    session_id = create_session_with_search_paths(stub, config_search_paths())
    print(f"Session created: {session_id}")
    try:
        load(stub, session_id, options.pipeline_path, options.weights_path, options.override)
        inputs = stub.GetPipelineInputs(GetPipelineInputsRequest(session_id=session_id))
        outputs = stub.GetPipelineOutputs(GetPipelineOutputsRequest(session_id=session_id))
        print_specs("Pipeline Input Specs", inputs.input_names, inputs.input_specs)
        print_specs("Pipeline Output Specs", outputs.output_names, outputs.output_specs)
        ports = {name: PortSpec.of(name, spec) for name, spec in inputs.input_specs.items()}
        print(f"\nLoading data from {options.cu3s_file_path}")
        results = []
        for index, scene in enumerate(measurements):
            print(f"Processing batch {index + 1}/{len(measurements)}")
            results.append(infer(stub, session_id, scene_inputs(scene, ports)))
            if index == 0:
                print("\nInference Outputs:")
                for name, array in results[0].items():
                    print(f"  {name}: shape={array.shape}, dtype={array.dtype}")
        print(f"\nProcessed {len(results)} measurements")
        return results
    finally:
        stub.CloseSession(CloseSessionRequest(session_id=session_id))
        print("Session closed.")


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="Run a trained pipeline on the measurements of a file.")
    parser.add_argument("--pipeline-path", required=True, help="saved pipeline, as the server names it")
    parser.add_argument("--weights-path", default="", help="its weights; a .pt name finds the .safetensors beside it")
    parser.add_argument(
        "--cu3s-file-path", required=True, type=Path, metavar="FILE", help=".cu3s, .npz, .npy, .mat or ENVI .hdr"
    )
    parser.add_argument(
        "--processing-mode",
        choices=[mode.value for mode in ProcessingMode],
        help="default: Reflectance for .cu3s, Raw for the others",
    )
    parser.add_argument("--override", action="append", default=[], metavar="KEY=VALUE", help="may be repeated")
    parser.add_argument("--server-address", default="localhost:50051", metavar="HOST:PORT")
    try:
        with failures_explained():
            run(parser.parse_args())
    except SceneError as error:
        raise SystemExit(f"error: {error}") from error


if __name__ == "__main__":
    main()
