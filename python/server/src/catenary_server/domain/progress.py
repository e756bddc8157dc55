"""What a run reports while it goes on."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from catenary_server.domain.training import Phase, Stage, TrainStatus

if TYPE_CHECKING:
    from collections.abc import Mapping

    from catenary_server.domain.failure import Reason


@dataclasses.dataclass(frozen=True, slots=True)
class RunFailure:
    """Why a run ended without completing."""

    reason: Reason
    message: str


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """One report of a run. `sequence` and `run_id` are given by the front end, all else by the worker.

    Counters are totals of the phase: `batches_total` batches in this epoch (or pass), `epochs_total` epochs.
    Times are Unix seconds; `remaining_seconds` is an estimate, None before there is one.
    """

    status: TrainStatus = TrainStatus.IN_PROGRESS
    stage: Stage = Stage.TRAIN
    phase: Phase | None = None
    epoch: int = 0
    batch_index: int = 0
    global_step: int = 0
    losses: Mapping[str, float] = dataclasses.field(default_factory=dict)
    metrics: Mapping[str, float] = dataclasses.field(default_factory=dict)
    message: str = ""
    batches_done: int = 0
    batches_total: int = 0
    epochs_done: int = 0
    epochs_total: int = 0
    learning_rate: float | None = None
    remaining_seconds: float | None = None
    time: float = 0.0
    run_id: str = ""
    sequence: int = 0
    failure: RunFailure | None = None
