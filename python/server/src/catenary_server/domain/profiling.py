"""How long the nodes of a pipeline take."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from catenary_server.domain.training import Stage


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ProfilingChange:
    """What to measure from now on; None keeps a setting as it is."""

    enabled: bool
    synchronize: bool | None = None
    """Wait for the accelerator before each time is taken."""
    reset: bool = False
    """Forget what was measured."""
    skip_first: int | None = None
    """Calls of each node in each stage to leave out from now on."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class NodeTimes:
    """Times of one node in one stage, in milliseconds; `count` is at least 1."""

    node: str
    stage: Stage
    count: int
    mean_ms: float
    median_ms: float
    std_ms: float
    min_ms: float
    max_ms: float
    total_ms: float
    last_ms: float
