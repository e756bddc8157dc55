"""A run outlives its streams, unless it was asked not to."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from catenary.v1.training_pb2 import TRAIN_STATUS_CANCELLED, TRAIN_STATUS_IN_PROGRESS, TrainResponse
from catenary.v1.training_requests_pb2 import (
    ON_DISCONNECT_CANCEL,
    ON_DISCONNECT_CONTINUE,
    ON_DISCONNECT_UNSPECIFIED,
    GetTrainStatusRequest,
    OnDisconnect,
    WatchTrainingRequest,
)
from catenary_conformance import rpcs
from catenary_conformance.requirement import requirement
from catenary_conformance.running import running

if TYPE_CHECKING:
    from catenary_conformance.target import Target
    from catenary_conformance.workload import Workload

_BATCH_AND_SECOND = 3.0
"""One batch of the small array, and one second; with room for a busy machine."""


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
    with running(target, workload, timeout=1.0) as run:
        assert run.stream.end().timed_out
        _goes_on(target, run.session_id, run.first.run_id)


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
            run.stream.cancel()
            began = time.monotonic()
            watch.end().expect_ok()
            took = time.monotonic() - began
            assert watch.received[-1].progress.status == TRAIN_STATUS_CANCELLED
            assert took <= target.seconds(_BATCH_AND_SECOND), f"it went on for {took:.1f} s"


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
