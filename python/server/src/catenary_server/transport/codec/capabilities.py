"""Capabilities as the server claims them: the contract names them, people read what they are."""

from __future__ import annotations

from catenary.v1 import capability_pb2

CAPABILITY_REVISION = 1

DESCRIPTIONS = {
    "chunked-inference": "Inference on tensors of any size, in chunks of a stream.",
    "configs": "Configurations: listed, composed with overrides, checked, described by JSON Schema.",
    "datasets": "Data sets of clients: uploaded in chunks, listed, deleted.",
    "discovery": "Lists of pipelines and node types, and what a training may use.",
    "evaluation": "Metrics of a pipeline over a validation or test split.",
    "inference": "Inference on the tensors of one message.",
    "pipeline-transfer": "Saved pipelines sent to the client and taken from it, in chunks with checksums.",
    "pipelines": "Pipelines: built, loaded with weights, saved, described by their inputs and outputs.",
    "plugins": "Node types from packages that the operator has installed and allowed.",
    "profiling": "Time of each node, as its worker measures it.",
    "sessions": "Isolated places for clients, each with a worker process of its own.",
    "stream-inference": "Inferences one after the other on one stream.",
    "telemetry": "Trainings anywhere report here; viewers follow, query and steer them.",
    "training": "Statistical and gradient training with streamed progress; runs are saved and restored.",
    "visualization": "Drawings of pipelines: png, svg, dot, mermaid.",
}
"""What each capability of the contract offers."""


def encode_capability(name: str) -> capability_pb2.Capability:
    """A capability that the server claims."""
    return capability_pb2.Capability(name=name, revision=CAPABILITY_REVISION, description=DESCRIPTIONS[name])
