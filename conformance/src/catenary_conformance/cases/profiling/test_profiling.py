"""Every call of a node is measured while that is asked for, and nothing else changes."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from catenary.v1.execution_stage_pb2 import (
    EXECUTION_STAGE_INFERENCE,
    EXECUTION_STAGE_TRAIN,
    EXECUTION_STAGE_VALIDATE,
    ExecutionStage,
)
from catenary.v1.profiling_service_pb2 import (
    GetProfilingSummaryRequest,
    SetProfilingRequest,
)
from catenary.v1.training_pb2 import TRAINER_TYPE_GRADIENT, TRAINER_TYPE_STATISTICAL
from catenary.v1.training_requests_pb2 import EvaluateRequest, TrainRequest
from catenary_conformance import rpcs
from catenary_conformance.presuming import presuming
from catenary_conformance.requirement import capability, requirement
from catenary_conformance.running import running

if TYPE_CHECKING:
    from catenary.v1.profiling_pb2 import NodeProfilingStats
    from catenary_conformance.target import Target
    from catenary_conformance.workload import Workload

pytestmark = capability("training", "inference")

_CALLS = 4
_ROUNDING = 1e-6


def _set(target: Target, session_id: str, enabled: bool, *, skip: int | None = None, reset: bool = False) -> bool:  # noqa: FBT001 - the field
    request = SetProfilingRequest(session_id=session_id, enabled=enabled, skip_first_n=skip, reset=reset)
    return rpcs.SET_PROFILING.ok(target, request).profiling_enabled


def _summary(
    target: Target, session_id: str, stage: ExecutionStage.ValueType | None = None
) -> list[NodeProfilingStats]:
    request = GetProfilingSummaryRequest(session_id=session_id, stage=stage)
    return list(rpcs.GET_PROFILING.ok(target, request).node_stats)


def _counts(target: Target, session_id: str) -> dict[str, int]:
    """Calls of each node in inference."""
    return {each.node_name: each.count for each in _summary(target, session_id, EXECUTION_STAGE_INFERENCE)}


def _infer(workload: Workload, session_id: str, times: int = 1) -> None:
    for _ in range(times):
        workload.outputs(session_id)


@requirement("CAT-PRF-001", "CAT-PRF-004")
def test_each_call_is_measured_while_enabled_and_none_when_disabled(target: Target, workload: Workload) -> None:
    session_id = workload.trained()
    assert _summary(target, session_id) == []
    _infer(workload, session_id)
    assert _summary(target, session_id) == [], "measured before it was asked for"
    assert _set(target, session_id, enabled=True)
    _infer(workload, session_id, _CALLS)
    counts = _counts(target, session_id)
    assert counts, "nothing was measured"
    assert set(counts.values()) == {_CALLS}
    assert not _set(target, session_id, enabled=False)
    _infer(workload, session_id)
    assert _counts(target, session_id) == counts, "measurements changed after measuring was disabled"


@requirement("CAT-PRF-002")
def test_a_reset_forgets_what_was_measured(target: Target, workload: Workload) -> None:
    session_id = workload.trained()
    _set(target, session_id, enabled=True)
    _infer(workload, session_id, _CALLS)
    _set(target, session_id, enabled=True, reset=True)
    assert _summary(target, session_id) == []
    _infer(workload, session_id)
    assert set(_counts(target, session_id).values()) == {1}


@requirement("CAT-PRF-003")
def test_the_first_calls_of_each_node_and_stage_can_be_left_out(target: Target, workload: Workload) -> None:
    session_id = workload.trained()
    _set(target, session_id, enabled=True, skip=_CALLS - 1)
    _infer(workload, session_id, _CALLS - 1)
    assert _summary(target, session_id) == []
    _infer(workload, session_id, 2)
    assert set(_counts(target, session_id).values()) == {2}


@requirement("CAT-PRF-005")
def test_measuring_changes_no_output_and_no_loss(target: Target, workload: Workload) -> None:
    plain, measured = workload.trained(), workload.trained()
    _set(target, measured, enabled=True)
    assert workload.outputs(measured) == workload.outputs(plain)
    losses = []
    for session_id in (plain, measured):
        request = TrainRequest(session_id=session_id, trainer_type=TRAINER_TYPE_GRADIENT)
        losses.append([dict(each.losses) for each in rpcs.TRAIN.all(target, request)])
    assert losses[0] == losses[1]
    assert workload.outputs(measured) == workload.outputs(plain)


@requirement("CAT-PRF-006")
def test_measuring_needs_a_pipeline(target: Target, session: str) -> None:
    request = SetProfilingRequest(session_id=session, enabled=True)
    rpcs.SET_PROFILING.refused(target, request, reason="STATE_INVALID")
    rpcs.GET_PROFILING.refused(target, GetProfilingSummaryRequest(session_id=session), reason="STATE_INVALID")


@requirement("CAT-PRF-001", "CAT-PRF-007", "CAT-PRF-008", "CAT-PRF-009")
def test_there_is_one_consistent_entry_for_each_node_and_stage_in_graph_order(
    target: Target, workload: Workload
) -> None:
    session_id = workload.trained()
    _set(target, session_id, enabled=True)
    _infer(workload, session_id, _CALLS)
    workload.train(session_id, TRAINER_TYPE_STATISTICAL)
    workload.train(session_id, TRAINER_TYPE_GRADIENT)
    if workload.claims("evaluation"):
        rpcs.EVALUATE.all(target, EvaluateRequest(session_id=session_id, stage=EXECUTION_STAGE_VALIDATE))
    entries = _summary(target, session_id)
    keys = [(each.node_name, each.stage) for each in entries]
    with presuming("CAT-PRF-007"):
        assert len(set(keys)) == len(keys), "a node and stage come twice"
    assert {EXECUTION_STAGE_TRAIN, EXECUTION_STAGE_INFERENCE} <= {stage for _, stage in keys}
    with presuming("CAT-PRF-009"):
        for each in entries:
            _consistent(each)
    for stage in {stage for _, stage in keys}:
        with presuming("CAT-PRF-008"):
            assert _summary(target, session_id, stage) == [each for each in entries if each.stage == stage]
        with presuming("CAT-PRF-007"):
            _in_graph_order(workload, [name for name, of in keys if of == stage])


def _consistent(entry: NodeProfilingStats) -> None:
    assert entry.count > 0, f"an entry without calls: {entry}"
    slack = _ROUNDING * (1 + entry.max_ms)
    for value in (entry.median_ms, entry.mean_ms, entry.last_ms):
        assert entry.min_ms - slack <= value <= entry.max_ms + slack, f"outside of minimum and maximum: {entry}"
    assert math.isclose(entry.total_ms, entry.count * entry.mean_ms, rel_tol=1e-6, abs_tol=1e-6), f"{entry}"
    assert entry.std_ms >= 0
    assert entry.count > 1 or entry.std_ms == 0


def _in_graph_order(workload: Workload, names: list[str]) -> None:
    """Whether no node stands before one that feeds it."""
    place = {name: index for index, name in enumerate(names)}
    for each in workload.pipeline["connections"]:
        source, target = each["source"].partition(".")[0], each["target"].partition(".")[0]
        if source in place and target in place:
            assert place[source] < place[target], f"{target} stands before {source}, which feeds it"


@requirement("CAT-PRF-008")
def test_a_stage_in_which_nothing_was_measured_is_empty(target: Target, workload: Workload) -> None:
    session_id = workload.trained()
    _set(target, session_id, enabled=True)
    _infer(workload, session_id)
    assert _summary(target, session_id, EXECUTION_STAGE_TRAIN) == []


@requirement("CAT-PRF-004")
def test_measuring_can_be_set_and_read_while_the_session_trains(target: Target, workload: Workload) -> None:
    with running(target, workload) as run:
        assert _set(target, run.session_id, enabled=True)
        run.still_goes_on(events=3)
        assert _summary(target, run.session_id, EXECUTION_STAGE_TRAIN)
        run.still_goes_on()


@requirement("CAT-PRF-001")
def test_loading_another_pipeline_turns_measuring_off_and_forgets(target: Target, workload: Workload) -> None:
    session_id = workload.trained()
    _set(target, session_id, enabled=True)
    _infer(workload, session_id)
    workload.load_pipeline(session_id)
    workload.load_weights(session_id)
    _infer(workload, session_id)
    assert _summary(target, session_id) == []
