"""Times of nodes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from catenary.v1 import profiling_pb2, profiling_service_pb2
from catenary_server.domain.profiling import NodeTimes, ProfilingChange
from catenary_server.transport.codec.stages import STAGE_OF, STAGES

if TYPE_CHECKING:
    from collections.abc import Iterable

    from catenary_server.domain.training import Stage


def decode_change(request: profiling_service_pb2.SetProfilingRequest) -> ProfilingChange:
    """What is to be measured."""
    return ProfilingChange(
        enabled=request.enabled,
        synchronize=request.synchronize_cuda if request.HasField("synchronize_cuda") else None,
        reset=request.reset,
        skip_first=request.skip_first_n if request.HasField("skip_first_n") else None,
    )


def decode_stage(request: profiling_service_pb2.GetProfilingSummaryRequest) -> Stage | None:
    """The stage that is asked for; None: all. The field rules have let only stages pass."""
    return STAGE_OF[request.stage] if request.HasField("stage") else None


def encode_summary(times: Iterable[NodeTimes]) -> profiling_service_pb2.GetProfilingSummaryResponse:
    """What was measured."""
    return profiling_service_pb2.GetProfilingSummaryResponse(node_stats=map(_encode_times, times))


def _encode_times(times: NodeTimes) -> profiling_pb2.NodeProfilingStats:
    return profiling_pb2.NodeProfilingStats(
        node_name=times.node,
        stage=STAGES[times.stage],
        count=times.count,
        mean_ms=times.mean_ms,
        median_ms=times.median_ms,
        std_ms=times.std_ms,
        min_ms=times.min_ms,
        max_ms=times.max_ms,
        total_ms=times.total_ms,
        last_ms=times.last_ms,
    )
