"""Stages of execution, as runs and profiles name them."""

from __future__ import annotations

from catenary.v1 import execution_stage_pb2
from catenary_server.domain.training import Stage

STAGES = {stage: execution_stage_pb2.ExecutionStage.Value(f"EXECUTION_STAGE_{stage}") for stage in Stage}
"""The contract's value by stage."""

STAGE_OF = {number: stage for stage, number in STAGES.items()}
"""The stage by the contract's value."""
