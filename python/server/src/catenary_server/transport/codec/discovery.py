"""What a server says about itself and its node types."""

from __future__ import annotations

import importlib.metadata
from typing import TYPE_CHECKING

from catenary.v1 import capability_pb2, discovery_pb2, discovery_service_pb2, node_pb2, node_tag_pb2, pipeline_pb2
from catenary_server.domain.node import NodeCategory
from catenary_server.transport.codec import times
from catenary_server.transport.codec.capabilities import encode_capability
from catenary_server.transport.codec.pipeline import encode_metadata
from catenary_server.transport.codec.tensor import DTYPE_NUMBERS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from catenary_server.application.discovery import ServerFacts, TrainingCapabilities
    from catenary_server.application.sessions import SessionUse
    from catenary_server.domain.node import NodeSpec, ParamSpec, PortSpec
    from catenary_server.domain.pipeline import PipelineFile
    from catenary_server.domain.runtime import DataReader, Device
    from catenary_server.transport.interceptors.admission import CallUse
    from catenary_server.transport.settings import MessageSizes

SERVER_NAME = "catenary"
PAGE_SIZE = 1000

_CATEGORIES = {each: node_pb2.NodeCategory.Value(f"NODE_CATEGORY_{each}") for each in NodeCategory}
_TAGS = node_tag_pb2.NodeTag.DESCRIPTOR.values_by_name
_KINDS = {
    "cpu": discovery_pb2.Device.KIND_CPU,
    "cuda": discovery_pb2.Device.KIND_CUDA,
    "mps": discovery_pb2.Device.KIND_MPS,
}


def encode_server(
    facts: ServerFacts, capabilities: Iterable[str], sizes: MessageSizes, use: CallUse, *, local: bool
) -> discovery_service_pb2.GetServerInfoResponse:
    """Who the server is, what it claims, and within which bounds; shared memory is for `local` callers."""
    return discovery_service_pb2.GetServerInfoResponse(
        server_name=SERVER_NAME,
        server_version=importlib.metadata.version("catenary-server"),
        contract_version=importlib.metadata.version("catenary-contract"),
        capabilities=[encode_capability(name) for name in sorted(capabilities)],
        limits=capability_pb2.ServerLimits(
            messages=_sizes(sizes),
            sessions=_sessions(facts.sessions, local=local),
            storage=capability_pb2.StorageLimits(
                upload_size_bytes=facts.kept.quota or 0,
                page_size=PAGE_SIZE,
                principal_size_bytes=facts.kept.quota or 0,
                unfinished_upload_duration=times.duration(facts.kept.unfinished),
            ),
            # A session holds at most one worker, and a worker does one run at a time.
            workers=capability_pb2.Slots(total=facts.sessions.limits.per_server, used=facts.workers),
            training=capability_pb2.Slots(total=facts.sessions.limits.per_server, used=facts.sessions.training),
            streams=capability_pb2.Slots(total=use.limits.streams, used=use.streams),
            calls=capability_pb2.Slots(total=use.limits.calls, used=use.calls),
        ),
        devices=[_device(device) for device in facts.devices],
        server_epoch=facts.epoch,
        start_time=times.timestamp(facts.start_time),
    )


def encode_node(spec: NodeSpec) -> node_pb2.NodeInfo:
    """A node type."""
    return node_pb2.NodeInfo(
        class_name=spec.class_name,
        full_path=spec.full_path,
        source=spec.source,
        plugin_name=spec.plugin_name,
        input_specs={port.name: _port(port) for port in spec.inputs},
        output_specs={port.name: _port(port) for port in spec.outputs},
        category=_CATEGORIES[spec.category],
        tags=[
            node_tag_pb2.NodeTag.Value(name)
            for name in (f"NODE_TAG_{tag.upper()}" for tag in spec.tags)
            if name in _TAGS
        ],
        params=[_param(param) for param in spec.params],
        description=spec.description,
        citation=spec.citation,
    )


def encode_pipeline(file: PipelineFile, *, text: bool) -> pipeline_pb2.PipelineInfo:
    """A pipeline kept in a file, with or without its text."""
    return pipeline_pb2.PipelineInfo(
        pipeline_path=file.path,
        resolved_path=file.resolved_path,
        metadata=encode_metadata(file.metadata),
        weights_path=file.weights_path,
        yaml_content=file.content if text else "",
    )


def encode_training(capabilities: TrainingCapabilities) -> discovery_service_pb2.GetTrainingCapabilitiesResponse:
    """What a training may use."""
    means = capabilities.means
    return discovery_service_pb2.GetTrainingCapabilitiesResponse(
        supported_optimizers=means.optimizers,
        supported_schedulers=means.schedulers,
        supported_callbacks=[
            discovery_pb2.CallbackTypeInfo(
                type=callback.name,
                description=callback.description,
                parameters=[_param(param) for param in callback.params],
            )
            for callback in means.callbacks
        ],
        optimizer_params=discovery_pb2.OptimizerParamsSchema(
            parameters=[_param(param) for param in means.optimizer_params]
        ),
        scheduler_params=discovery_pb2.SchedulerParamsSchema(
            parameters=[_param(param) for param in means.scheduler_params]
        ),
        data_readers=[_reader(reader) for reader in capabilities.readers],
    )


def _reader(reader: DataReader) -> discovery_pb2.DataReader:
    return discovery_pb2.DataReader(
        suffix=reader.suffix,
        missing_requirement=reader.missing_requirement,
        processing_modes=[_mode(mode) for mode in reader.processing_modes],
        default_processing_mode=_mode(reader.default_processing_mode),
    )


def _mode(name: str) -> discovery_pb2.ProcessingMode.ValueType:
    return discovery_pb2.ProcessingMode.Value(f"PROCESSING_MODE_{name.upper()}")


def _port(port: PortSpec) -> node_pb2.PortSpec:
    return node_pb2.PortSpec(
        name=port.name,
        dtype=DTYPE_NUMBERS[port.dtype],
        shape=port.shape,
        optional=port.optional,
        description=port.description,
        variadic=port.variadic,
    )


def _param(param: ParamSpec) -> node_pb2.ParamSpec:
    return node_pb2.ParamSpec(
        name=param.name,
        type="string" if param.is_path else param.type,
        required=param.required,
        default_value=param.default,
        description=param.description,
        validation=param.validation,
    )


def _device(device: Device) -> discovery_pb2.Device:
    return discovery_pb2.Device(
        name=device.name,
        kind=_KINDS.get(device.name.partition(":")[0], discovery_pb2.Device.KIND_UNSPECIFIED),
        model=device.description,
        memory_total_bytes=device.memory_total_bytes,
        memory_free_bytes=device.memory_free_bytes or None,
    )


def _sizes(sizes: MessageSizes) -> capability_pb2.MessageLimits:
    return capability_pb2.MessageLimits(
        control_size_bytes=sizes.control,
        telemetry_size_bytes=sizes.telemetry,
        chunk_size_bytes=sizes.chunk,
        inference_size_bytes=sizes.inference,
        weights_size_bytes=sizes.weights,
    )


def _sessions(use: SessionUse, *, local: bool) -> capability_pb2.SessionLimits:
    return capability_pb2.SessionLimits(
        server=capability_pb2.Slots(total=use.limits.per_server, used=use.server),
        principal=capability_pb2.Slots(total=use.limits.per_principal, used=use.principal),
        default_idle_timeout=times.duration(use.limits.idle_timeout),
        min_idle_timeout=times.duration(use.limits.idle_timeout_min),
        max_idle_timeout=times.duration(use.limits.idle_timeout_max),
        memory_duration=times.duration(use.memory),
        shared_memory_size_bytes=use.offered_memory if local else 0,
    )
