"""A run outlives its streams, unless it was asked not to."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from catenary.v1.training_pb2 import (
    TRAIN_STATUS_CANCELLED,
    TRAIN_STATUS_IN_PROGRESS,
    TRAINER_TYPE_GRADIENT,
    TrainResponse,
)
from catenary.v1.training_requests_pb2 import (
    ON_DISCONNECT_CANCEL,
    ON_DISCONNECT_CONTINUE,
    ON_DISCONNECT_UNSPECIFIED,
    GetTrainStatusRequest,
    OnDisconnect,
    TrainRequest,
    WatchTrainingRequest,
)
from catenary_conformance import rpcs
from catenary_conformance.requirement import requirement
from catenary_conformance.running import running
from catenary_conformance.workload import ENDLESS

if TYPE_CHECKING:
    from catenary_conformance.target import Target
    from catenary_conformance.workload import Workload

_DEADLINES = (0.5, 4.0, 30.0)


def _latest(target: Target, session_id: str) -> TrainResponse:
    return rpcs.GET_TRAIN_STATUS.ok(target, GetTrainStatusRequest(session_id=session_id)).latest_progress


@requirement("CAT-TRN-030")
@pytest.mark.parametrize("policy", [ON_DISCONNECT_UNSPECIFIED, ON_DISCONNECT_CONTINUE], ids=["unset", "continue"])
def test_a_run_goes_on_after_its_client_has_cancelled(
    target: Target, workload: Workload, policy: OnDisconnect.ValueType
) -> None:
    with running(target, workload, on_disconnect=policy) as run:
        run.stream.cancel()
        run.stream.end()
        _goes_on(target, run.session_id, run.first.run_id)


@requirement("CAT-TRN-030")
def test_a_run_goes_on_after_its_client_has_passed_its_deadline(target: Target, workload: Workload) -> None:
    session_id = workload.trained(epochs=ENDLESS)
    request = TrainRequest(session_id=session_id, trainer_type=TRAINER_TYPE_GRADIENT)
    for seconds in _DEADLINES:  # the first that is long enough for the run to begin
        with rpcs.TRAIN.open(target, request, timeout=seconds) as stream:
            assert stream.end().timed_out, f"{stream.answer}"
            messages = list(stream.received)
        if messages:
            break
    else:
        pytest.fail(f"no run began within {_DEADLINES[-1]} seconds")
    _goes_on(target, session_id, messages[0].run_id)


def _goes_on(target: Target, session_id: str, run_id: str) -> None:
    """Wait for two events of the run that came after its client left."""
    before = _latest(target, session_id)
    request = WatchTrainingRequest(session_id=session_id, after_sequence=before.sequence)
    with rpcs.WATCH_TRAINING.open(target, request) as watch:
        for _ in range(3):
            update = watch.receive()
            assert update is not None, f"the run is gone: {watch.answer}"
            message = update.progress if update.HasField("progress") else update.snapshot
            assert message.run_id == run_id
            assert message.status == TRAIN_STATUS_IN_PROGRESS, f"the run ended: {message}"
        assert message.sequence > before.sequence


@requirement("CAT-TRN-031")
def test_a_run_that_asked_for_it_is_cancelled_once_its_last_stream_is_gone(target: Target, workload: Workload) -> None:
    with running(target, workload, on_disconnect=ON_DISCONNECT_CANCEL) as run:
        request = WatchTrainingRequest(session_id=run.session_id)
        with rpcs.WATCH_TRAINING.open(target, request) as watch:
            assert watch.receive() is not None
            allowed = run.batch_and_second()
            run.stream.cancel()
            began = time.monotonic()
            watch.end().expect_ok()
            took = time.monotonic() - began
            assert watch.received[-1].progress.status == TRAIN_STATUS_CANCELLED
            assert took <= allowed, f"it went on for {took:.1f} s"


@requirement("CAT-TRN-031")
def test_a_run_that_asked_for_it_goes_on_while_another_train_stream_is_attached(
    target: Target, workload: Workload
) -> None:
    with (
        running(target, workload, on_disconnect=ON_DISCONNECT_CANCEL, request_id=target.unique("held")) as run,
        rpcs.TRAIN.open(target, run.request) as second,
    ):
        assert second.receive() is not None
        run.stream.cancel()
        run.stream.end()
        for _ in range(3):
            message = second.receive()
            assert message is not None, f"{second.answer}"
            assert message.status == TRAIN_STATUS_IN_PROGRESS
