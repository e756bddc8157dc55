"""The scalars of a message, named as the fields that hold them, or as the trainer named them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from catenary_server.domain.telemetry_message import Scalar

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from catenary.telemetry.v1 import metric_pb2, stream_pb2

_BATCH: Final = ("batch_loss", "batch_accuracy")
_EPOCH: Final = ("average_loss", "average_accuracy", "learning_rate", "validation_loss", "validation_accuracy")
_PERFORMANCE: Final = ("time_per_batch_ms", "current_fps", "average_fps")
_RESOURCES: Final = ("cpu_percent", "memory_mb", "gpu_percent", "gpu_memory_mb")
_NANOSECONDS_PER_MS: Final = 1_000_000


def scalars(request: stream_pb2.StreamTelemetryRequest) -> tuple[Scalar, ...]:
    """Every scalar of a message; those that belong to the step the run is at have no step of their own."""
    match request.WhichOneof("payload"):
        case "batch_data":
            batch = request.batch_data
            step = batch.global_step if batch.HasField("global_step") else None
            return _named(batch, _BATCH, step, batch.timestamp_ms or request.timestamp_ms)
        case "epoch_data":
            epoch = request.epoch_data
            return _named(epoch, _EPOCH, None, epoch.timestamp_ms or request.timestamp_ms)
        case "performance_data":
            figures = request.performance_data
            time_ms = figures.timestamp_ms or request.timestamp_ms
            resources = figures.resource_usage
            usage = _named(resources, _RESOURCES, None, time_ms) if figures.HasField("resource_usage") else ()
            return _named(figures, _PERFORMANCE, None, time_ms) + usage
        case "metric_batch":
            return tuple(_sample(sample, request.timestamp_ms) for sample in request.metric_batch.samples)
        case _:
            return ()


def _named(message: Message, names: tuple[str, ...], step: int | None, time_ms: int) -> tuple[Scalar, ...]:
    """Fields of a message; optional ones only if they are set."""
    return tuple(Scalar(name, step, getattr(message, name), time_ms) for name in names if _is_set(message, name))


def _is_set(message: Message, name: str) -> bool:
    field = message.DESCRIPTOR.fields_by_name[name]
    return not field.has_presence or message.HasField(name)


def _sample(sample: metric_pb2.MetricSample, default_ms: int) -> Scalar:
    time = sample.log_time
    own_ms = time.seconds * 1000 + time.nanos // _NANOSECONDS_PER_MS
    return Scalar(sample.metric_name, sample.global_step, sample.value, own_ms or default_ms)
