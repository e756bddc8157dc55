"""Pipelines: metadata, weights and ports."""

from __future__ import annotations

from typing import TYPE_CHECKING

from catenary.v1 import pipeline_pb2, pipeline_requests_pb2
from catenary_server.domain.drawing import DrawingFormat
from catenary_server.domain.pipeline import PipelineMetadata
from catenary_server.transport.codec.tensor import encode_tensor_spec

if TYPE_CHECKING:
    from catenary_server.application.pipelines import LoadedWeights
    from catenary_server.domain.pipeline import PipelinePorts
    from catenary_wire.payloads import Payloads

_FORMAT_NAMES = {"": DrawingFormat.PNG, "graphviz": DrawingFormat.DOT}


def decode_metadata(request: pipeline_requests_pb2.SavePipelineRequest) -> PipelineMetadata | None:
    """What is to be said about a pipeline that is saved; None keeps what is known."""
    if not request.HasField("metadata"):
        return None
    message = request.metadata
    return PipelineMetadata(
        name=message.name,
        description=message.description,
        created=message.created,
        cuvis_ai_version=message.cuvis_ai_version,
        tags=tuple(message.tags),
        author=message.author,
        catenary_version=message.catenary_version,
    )


def encode_metadata(metadata: PipelineMetadata) -> pipeline_pb2.PipelineMetadata:
    """What is said about a pipeline."""
    return pipeline_pb2.PipelineMetadata(
        name=metadata.name,
        description=metadata.description,
        created=metadata.created,
        cuvis_ai_version=metadata.cuvis_ai_version,
        tags=metadata.tags,
        author=metadata.author,
        catenary_version=metadata.catenary_version,
    )


def decode_weights_source(request: pipeline_requests_pb2.LoadPipelineWeightsRequest, payloads: Payloads) -> str | bytes:
    """The file that holds the weights, or the weights themselves."""
    if request.WhichOneof("weights_source") == "weights_path":
        return request.weights_path
    return bytes(payloads.view(request.weights_bytes))


def decode_drawing_format(name: str) -> DrawingFormat:
    """The format of a drawing; empty means png, and Graphviz draws dot."""
    return DrawingFormat(_FORMAT_NAMES.get(name, name))


def decode_strict(
    request: pipeline_requests_pb2.LoadPipelineWeightsRequest,
) -> bool:
    """Whether weights must fit exactly; they must unless the client says otherwise."""
    return request.strict if request.HasField("strict") else True


def encode_loaded_weights(loaded: LoadedWeights) -> pipeline_requests_pb2.LoadPipelineWeightsResponse:
    """Which weights were loaded, and which only one side has."""
    return pipeline_requests_pb2.LoadPipelineWeightsResponse(
        resolved_path=loaded.name,
        missing_names=loaded.report.missing,
        unexpected_names=loaded.report.unexpected,
    )


def encode_inputs(ports: PipelinePorts) -> pipeline_requests_pb2.GetPipelineInputsResponse:
    """What a pipeline takes."""
    return pipeline_requests_pb2.GetPipelineInputsResponse(
        input_names=ports.inputs,
        input_specs={name: encode_tensor_spec(name, port) for name, port in ports.inputs.items()},
    )


def encode_outputs(ports: PipelinePorts) -> pipeline_requests_pb2.GetPipelineOutputsResponse:
    """What a pipeline gives."""
    return pipeline_requests_pb2.GetPipelineOutputsResponse(
        output_names=ports.outputs,
        output_specs={name: encode_tensor_spec(name, port) for name, port in ports.outputs.items()},
    )
