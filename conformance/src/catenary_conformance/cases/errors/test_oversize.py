"""Messages above the limit of their RPC are refused before anything looks into them, and the server serves on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import grpc

from catenary_conformance.every import every_method
from catenary_conformance.requirement import requirement
from catenary_conformance.skipping import SkipReason, skip

if TYPE_CHECKING:
    from catenary.v1.discovery_service_pb2 import GetServerInfoResponse
    from catenary_conformance.contract import Method
    from catenary_conformance.run import Run
    from catenary_conformance.target import Target

LARGEST_TRIED = 16 << 20
"""Limits above this are left to destructive runs: so large a message takes memory of the target."""


def limit_of(info: GetServerInfoResponse, method: Method) -> int:
    """The most bytes that one message of an RPC may have, as the server states it; zero where it states none."""
    limits = info.limits.messages
    if method.capability in {"inference", "stream-inference"}:
        return limits.inference_size_bytes
    if method.capability == "chunked-inference" or (method.client_streaming and method.capability != "telemetry"):
        return limits.chunk_size_bytes
    if method.name == "LoadPipelineWeights":
        return limits.weights_size_bytes
    if method.name in {"StreamTelemetry", "QueryMetrics"}:
        return limits.telemetry_size_bytes
    return max(limits.control_size_bytes, limits.chunk_size_bytes if method.name == "DownloadPipeline" else 0)


def unknown_field(size: int) -> bytes:
    """A well-formed message of a size, that holds one field which no message has."""
    length = size - 4 - 4
    varint = bytes((length >> shift) & 0x7F | (0x80 if shift < 21 else 0) for shift in (0, 7, 14, 21))
    return b"\xfa\xff\xff\x0f" + varint + b"\0" * length


@requirement("CAT-ERR-004")
@every_method(lambda method: method.name != "WatchRun")
def test_a_message_above_the_limit_is_refused(
    run: Run, target: Target, info: GetServerInfoResponse, method: Method
) -> None:
    limit = limit_of(info, method)
    if not limit:
        skip(SkipReason.CAPABILITY_NOT_CLAIMED, "the server states no limit")
    if limit > LARGEST_TRIED and not run.plan.destructive:
        skip(SkipReason.DESTRUCTIVE, "so large a message takes memory of the target; --destructive tries it")
    answer = target.call(method.path, unknown_field(limit + 1), timeout=30.0)
    answer.expect(grpc.StatusCode.RESOURCE_EXHAUSTED, "MESSAGE_TOO_LARGE", "")
    assert target.call("GetServerInfo").ok, "the server does not serve on"
