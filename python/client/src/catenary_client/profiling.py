"""How long the nodes of a session's pipeline take."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Literal

from catenary.v1 import profiling_service_pb2 as profiling
from catenary.v1.execution_stage_pb2 import ExecutionStage
from catenary.v1.profiling_service_pb2_grpc import ProfilingServiceStub
from catenary_client.session_calls import SessionCalls
from catenary_wire import names

if TYPE_CHECKING:
    from catenary.v1.profiling_pb2 import NodeProfilingStats

Stage = Literal["train", "validate", "test", "inference"]
"""What a pipeline does when its nodes are measured."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class NodeTimes:
    """Times of one node in one stage, in milliseconds."""

    node: str
    stage: str
    """TRAIN, VALIDATE, TEST or INFERENCE."""
    count: int
    mean_ms: float
    median_ms: float
    std_ms: float
    min_ms: float
    max_ms: float
    total_ms: float
    last_ms: float

    @staticmethod
    def of(stats: NodeProfilingStats) -> NodeTimes:
        """From the figures as the server sent them."""
        return NodeTimes(
            node=stats.node_name,
            stage=names.short_name(ExecutionStage, stats.stage),
            count=stats.count,
            mean_ms=stats.mean_ms,
            median_ms=stats.median_ms,
            std_ms=stats.std_ms,
            min_ms=stats.min_ms,
            max_ms=stats.max_ms,
            total_ms=stats.total_ms,
            last_ms=stats.last_ms,
        )


class ProfilingCalls(SessionCalls):
    """The part of a session that measures its nodes; it answers while the session trains."""

    async def set_profiling(
        self,
        enabled: bool,  # noqa: FBT001 - what the method is about
        *,
        synchronize_cuda: bool | None = None,
        reset: bool = False,
        skip_first_n: int | None = None,
    ) -> bool:
        """Turn the measuring of nodes on or off; whether it is on now.

        Args:
            enabled: whether to measure; what was measured stays.
            synchronize_cuda: wait for the accelerator before each time is taken; None keeps the setting.
            reset: forget what was measured.
            skip_first_n: calls of each node in each stage to leave out, as warm-up; None keeps the setting.

        Raises:
            PreconditionError: the session has no pipeline.
        """
        response = await self._caller.unary(
            ProfilingServiceStub(self._channel).SetProfiling,
            profiling.SetProfilingRequest(
                session_id=self.session_id,
                enabled=enabled,
                synchronize_cuda=synchronize_cuda,
                reset=reset,
                skip_first_n=skip_first_n,
            ),
        )
        return response.profiling_enabled

    async def profile(self, stage: Stage | None = None) -> list[NodeTimes]:
        """What was measured, in the order of the graph, of one stage or of all.

        Raises:
            PreconditionError: the session has no pipeline.
        """
        wanted = None if stage is None else names.number_of(ExecutionStage, stage)
        response = await self._caller.unary(
            ProfilingServiceStub(self._channel).GetProfilingSummary,
            profiling.GetProfilingSummaryRequest(session_id=self.session_id, stage=wanted),
        )
        return [NodeTimes.of(stats) for stats in response.node_stats]
