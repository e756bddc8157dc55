"""Refuses messages above the limit of their RPC before anything looks into them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from catenary_server.domain.failure import Failure, Reason, Violation

if TYPE_CHECKING:
    from catenary_server.transport.methods import Method
    from catenary_server.transport.settings import MessageSizes

_INFERENCE = frozenset({"Inference", "StreamInference"})
_TELEMETRY = frozenset({"StreamTelemetry", "QueryMetrics"})
_CHUNKS = frozenset({"InferenceChunked", "UploadDataset", "UploadPipeline", "DownloadPipeline"})


def size_limit(method: Method, sizes: MessageSizes) -> int:
    """Bytes that one message of an RPC may have, either way."""
    if method.name in _INFERENCE:
        return sizes.inference
    if method.name in _CHUNKS:
        return sizes.chunk
    if method.name == "LoadPipelineWeights":
        return sizes.weights
    if method.name in _TELEMETRY:
        return sizes.telemetry
    if method.name == "WatchRun":
        return 2 * sizes.telemetry  # a message of a training is passed on whole, in one of ours
    return sizes.control


def check_size(method: Method, size: int, sizes: MessageSizes) -> None:
    """Refuse a message of a size that is too large.

    Raises:
        Failure: MESSAGE_TOO_LARGE.
    """
    limit = size_limit(method, sizes)
    if size > limit:
        raise Failure(
            Reason.MESSAGE_TOO_LARGE,
            f"a message of {method.name} has at most {limit} bytes, this one has {size}",
            violations=(Violation("message_size_bytes", f"{size} of at most {limit}"),),
        )
